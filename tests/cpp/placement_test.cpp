// Placement, case by case: for each policy some heaps, which say what its documentation says. Every
// other heap is up to the model (exhaustive_test.cpp, random_test.cpp), which is checked here too.

#include <gtest/gtest.h>

#include <cctype>
#include <sstream>

#include "checked_heap.hpp"
#include "drawing.hpp"

namespace glassheap {
namespace {

// Options, a heap as a drawing, some steps, the drawing afterwards, and for some the free list. The
// options are the policy and its settings; the size, which is 1024 by default; no headers. The
// steps:
//
//     +40       malloc(40)                     +40@64    malloc(40, align=64)
//     -1        free the block at index 1      2=100     realloc the block at index 2 to 100 bytes
//
// Blocks are counted from the left, free ones included. The holes of a heap were freed from the
// left. The region lies on a multiple of its size; so with headers the first block's payload is at
// 16 modulo every larger alignment.
constexpr const char* table = R"(
# First fit: the lowest block that fits, neither the smallest nor the largest.
first_fit | [.48.][16][.32.][16]... | +32 | [32][.0.][16][.32.][16]...
first_fit | [.16.][1][.96.][1][.32.][1]... | +32 | [.16.][1][32][.48.][1][.32.][1]...
first_fit | ... | +1008 | [1008] | (none)
# A freed block merges with its free neighbours.
first_fit | [.16.][16][.16.][16]... | -1 | [.80.][16]... | Free(80)->Free(880)
# A block is resized in place if it can be.
first_fit | [100][16]... | 0=50 | [50][.32.][16]...
first_fit | [100][.16.][16]... | 0=128 | [128][.0.][16]...
first_fit | [100][.16.][16]... | 0=145 | [.144.][16][145]...
# The space in front of an aligned block stays free.
first_fit | ... | +40@64 | [.32.][40]...
first_fit | [.96.][16]... | +16@64 | [.32.][16][.16.][16]...

# Best fit: the smallest block that fits; of equal ones the lowest.
best_fit | [.96.][16][.64.][16]... | +40 | [.96.][16][40][.0.][16]...
# The remainder is a smaller block, and the best fit for a smaller request.
best_fit | [.96.][16][.64.][16]... | +32 +8 | [.96.][16][32][8][16]...
best_fit | [32][16][32][16]... | -2 -0 +20 | [20][16][.32.][16]...
# The block at the end of the region is chosen like any other: here it offers 32.
best_fit | [.48.][16][864]... | +32 | [.48.][16][864][32]
best_fit | [.32.][16][880]... | +32 | [32][16][880]...
# The smallest by its whole extent, not by what is left; and only if the aligned payload fits.
best_fit | [.96.][16][.64.][16]... | +16@64 | [.96.][16][.16.][16][.0.][16]...
best_fit | [.96.][16][.32.][16]... | +16@64 | [.32.][16][.16.][16][.32.][16]...
# Blocks of a kibibyte and more are in another index, in the same order.
best_fit 16384 | [.2000.][16][.1504.][16]... | +1400 | [.2000.][16][1400][.80.][16]...
best_fit 16384 | [1504][16][1504][16]... | -2 -0 +1400 | [1400][.80.][16][.1504.][16]...
best_fit 16384 | [.1008.][16][.992.][16]... | +990 | [.1008.][16][990][16]...

# Worst fit: the largest block; of equal ones the lowest.
worst_fit | [.48.][16][.96.][800] | +16 +16 +16 | [16][.16.][16][16][16][.32.][800]
worst_fit | [48][16][48][16][816] | -2 -0 +16 | [16][.16.][16][.48.][16][816]
# The block at the end of the region is chosen like any other: it offers 48, and 64.
worst_fit | [.48.][16][848]... | +16 | [16][.16.][16][848]...
worst_fit | [.48.][16][832]... | +16 | [.48.][16][832][16]...
# The largest by its whole extent.
worst_fit | [.96.][16][.64.][784] | +16@64 | [.32.][16][.16.][16][.64.][784]
worst_fit 8192 | [.1504.][16][.1504.][5104] | +100 | [100][.1376.][16][.1504.][5104]
worst_fit 8192 | [.992.][16][.1008.][6112] | +100 +100 | [100][.864.][16][100][.880.][6112]

# Next fit: from the rover on, even if a block below it fits. It is where the last block ended.
next_fit | [.48.][16][.32.][16]... | +32 | [.48.][16][.32.][16][32]...
next_fit | [.16.][16][.32.][16][.48.][800] | +32 -1 +10 | [.48.][32][16][10][.16.][800]
# Once around: the block at which the search began comes last.
next_fit | [.16.][16][.32.][16][.48.][800] | +48 +32 +16 | [16][16][32][16][48][800]
next_fit | [.16.][16][.32.][16][.48.][800] | +32 +10 +10 -2 +32 | [.16.][16][32][16][10][10][800]
# If the rover is inside a free block, the search starts with that block, which may be too small.
next_fit | [.16.][16][.16.][16][16][848] | +16 +16 -0 -2 -3 +0 | [.16.][16][0][.32.][16][848]
# Only an allocation moves the rover, not a block that grows or shrinks in place.
next_fit | [.16.][16][.16.][16][.48.][16][784] | +16 3=40 +16 | [16][16][16][40][.16.][16][784]

# Segregated fit: from its own bin the block that was freed last; or from the next occupied bin.
segregated_fit | [.96.][16][.32.][16]... | +32 | [.96.][16][32][16]...
segregated_fit | [32][16][32][16]... | -0 -2 +32 | [.32.][16][32][16]...
segregated_fit | [32][16][32][16]... | -2 -0 +32 +20 | [32][16][20][16]...
segregated_fit | [.96.][16][.48.][16]... | +32 | [.96.][16][32][.0.][16]...
segregated_fit | [.96.][16][.48.][16]... | +64 +16 | [64][16][16][.48.][16]...
# The block at the end of the region comes last, even if it would fit exactly: it offers 32.
segregated_fit | [.96.][16][816]... | +32 | [32][.48.][16][816]...
# A block that is large enough but cannot hold the aligned payload is skipped.
segregated_fit | [.96.][16][.32.][16]... | +16@64 | [.32.][16][.16.][16][.32.][16]...
# From 1024 to 1072 bytes, 4 granules share a bin: the smallest of the first eight that fits.
segregated_fit 8192 | [.1008.][16][.1040.][16]... | +1040 | [.1008.][16][1040][16]...
segregated_fit 8192 | [.1056.][16][.1040.][16]... | +1020 | [.1056.][16][1020][.0.][16]...

# Quick fit: a small freed block stays as it is beside a free one, and serves the next request of its
# size; the one that was freed last comes first. Without one, the block at the end of the region is
# split, or else, if that is too small, a larger one.
quick_fit | [32][32][16]... | -0 -1 | [.32.][.32.][16]...
quick_fit | [32][32][16]... | -0 -1 +32 | [.32.][32][16]...
quick_fit | [16][32]... | -1 | [16][.32.]...
quick_fit | [32][64][16]... | -0 -1 +48 | [.32.][.64.][16][48]...
quick_fit | [32][64][16][848] | -0 -1 +48 | [.32.][48][.0.][16][848]
quick_fit | [32][64][16][800]... | -0 -1 +48 | [.32.][48][.0.][16][800]...
quick_fit 8192 | [32][1040][16]... | -1 +1008 | [32][1008][.16.][16]...
# Blocks that touch are joined before a request would be refused, and only if it is served then.
quick_fit | [32][32][16][880] | -0 -1 +80 | [80][16][880]
quick_fit | [32][32][16][880] | -0 -1 +81 | [.32.][.32.][16][880]
quick_fit | [32][16][32][32][16][32][752] | -0 -2 -3 -5 +80 | [.32.][16][80][16][.32.][752]
# A block grows into the free block behind it as that is.
quick_fit | [32][32][32][16]... | -1 -2 0=80 | [80][.32.][16]...
quick_fit | [32][32][32][16]... | -1 -2 0=81 | [.32.][.32.][.32.][16][81]...
# A block of 1024 bytes with its header coalesces at once, with the free block on either side.
quick_fit 8192 | [32][32][1008][32][32]... | -0 -1 -3 -4 -2 | [.32.][.1104.][.32.]...
quick_fit 8192 | [32][992][32]... | -0 -2 -1 | [.32.][.992.][.32.]...

# TLSF: below 512 bytes there is a class for each number of granules.
tlsf 2048 | [.96.][16][.32.][16]... | +32 | [.96.][16][32][16]...
tlsf 2048 | [.96.][16][.48.][16]... | +32 | [.96.][16][32][.0.][16]...
tlsf 2048 | [.496.][16][.480.][16]... | +480 | [.496.][16][480][16]...
tlsf 2048 | [32][16][32][16]... | -0 -2 +32 | [.32.][16][32][16]...
tlsf 2048 | [32][16][32][16]... | -2 -0 +32 | [32][16][.32.][16]...
# From there two granules share a class. A request that is not the least of its class is rounded
# up, and blocks that might fit are skipped. The block at the region's end is of some class too.
tlsf 2048 | [.512.][16][.544.][16]... | +512 | [.512.][16][512][.16.][16]...
tlsf 2048 | [.512.][16][.528.][16]... | +512 | [.512.][16][512][.0.][16]...
tlsf 2048 | [.512.][16][.544.][16]... | +496 | [496][.0.][16][.544.][16]...
tlsf 2048 | [.96.][16][1840]... | +32 | [.96.][16][1840][32]
# Before a request is refused, its own class is searched for the smallest block that fits.
tlsf 2048 | [.512.][16][1472] | +512 | [512][16][1472]
tlsf 2048 | [.496.][16][.512.][16][.496.][16][384] | +512 | [.496.][16][512][16][.496.][16][384]
# Rounded up by the largest possible gap: 32 bytes with a gap of 48 fit anywhere in 80. A block in
# which the payload fits by chance is taken only if there is no larger one.
tlsf 2048 | [.32.][16][.64.][16]... | +16@64 | [.32.][16][.16.][16][.0.][16]...
tlsf 2048 | [.32.][16][16][.16.][1888] | +16@64 | [.32.][16][16][16][1888]

# Buddies: the smallest order that fits is halved; of its blocks the one that was freed last.
buddy | ... | +100 | [100][.112.][.240.]...
buddy | ... | +0 | [0][.0.][.16.][.48.][.112.][.240.]...
buddy | [100][.112.][.240.]... | +20 | [100][20][.48.][.240.]...
buddy | [100][100][100][100]... | -0 -3 +100 | [.112.][100][100][100]...
# Buddies coalesce; neighbours that are not buddies do not, nor those of which one is still split.
buddy | [100][100][.240.]... | -0 | [.112.][100][.240.]...
buddy | [100][100][.240.]... | -1 -0 | ...
buddy | [100][100][100][100]... | -1 -2 | [100][.112.][.112.][100]...
buddy | [100][40][.48.][.240.]... | -0 | [.112.][40][.48.][.240.]...
# A block grows into its buddy behind it, and into no more. It moves if a block of that size would
# not be aligned here.
buddy | [200][.240.]... | 0=0 | [0][.0.][.16.][.48.][.112.][.240.]...
buddy | [100][.112.][.240.]... | 0=200 | [200][.240.]...
buddy | [200][.240.]... | 0=0 0=240 | [.240.][240]...
buddy | [.112.][100][.240.]... | 1=200 | [.240.][200]...
# With headers, no buddy has its payload at a multiple of 32. A block with such a payload is split
# off from the middle; the rest of the buddy is free in powers of two, and merges again later.
buddy | ... | +100@128 | [.48.][.16.][.0.][100][.0.][.240.]...
buddy | ... | +100@128 +0 -3 | [.112.][.48.][.16.][.0.][0][.240.]...
buddy | ... | +100@128 3=40 | [.48.][.16.][.0.][40][.0.][.48.][.240.]...
buddy headerless | ... | +100@128 | [128][.128.][.256.]...
# A region that is no power of two is several buddies.
buddy 400 | [.240.][.112.]... | +100 | [.240.][100]...
buddy 400 | [.240.][.112.]... | +0 +0 -1 -2 | [.240.][.112.]...

# Sequential fit: the list is in its own order. First fit takes the first block in the list,
# wherever it is in memory; the remainder keeps its position.
address | [.16.][1][.48.][1]... | | [.16.][1][.48.][1]... | Free(16)->Free(48)->Free(848)
size_up | [.16.][1][.48.][1]... | +10 | [10][1][.48.][1]... | Free(48)->Free(848)
size_down | [.16.][1][.48.][1]... | +10 | [.16.][1][.48.][1][10]... | Free(816)->Free(48)->Free(16)
front | [.16.][1][.48.][1]... | +10 | [.16.][1][10][.16.][1]... | Free(16)->Free(16)->Free(848)
back | [.16.][1][.48.][1]... | +10 | [.16.][1][.48.][1][10]... | Free(816)->Free(16)->Free(48)
# Of equal blocks, best and worst fit take the one that is earlier in the list.
worst front | [.32.][16][.32.][16][848] | +16 | [.32.][16][16][.0.][16][848] | Free(0)->Free(32)
worst back | [.32.][16][.32.][16][848] | +16 | [16][.0.][16][.32.][16][848] | Free(0)->Free(32)
# The sort is stable: a freed block comes last among equals. The list is sorted when a block is
# freed, not when one is split.
size_up | [32][16][32][16]... | -2 -0 +32 | [.32.][16][32][16]... | Free(32)->Free(848)
size_down | [.96.][16]... | +800 | [.96.][16][800]... | Free(48)->Free(96)
size_down | [.96.][16]... | +800 -1 | [.96.][.16.][800]... | Free(96)->Free(48)->Free(16)
# One pass in list order merges free blocks: complete only if the list is in address order. A merged
# block keeps the position of the first one; the list is not sorted again.
address uncoalesced | [16][16][16]... | -1 -0 | [.16.][.16.][16]... | Free(16)->Free(16)->Free(912)
back | [16][16][16]... | -1 -0 | [.16.][.16.][16]... | Free(912)->Free(16)->Free(16)
front | [16][16][16]... | -1 -0 -1 | [.48.][.16.]... | Free(16)->Free(48)->Free(912)
size_up | [0][1][0][1][64]... | -1 -3 -0 | [.32.][0][.16.][64]... | Free(32)->Free(16)->Free(832)
# The remainders in front of an aligned block and behind it keep its position, in this order.
front | ... | +16@64 | [.32.][16]... | Free(32)->Free(928)
# A tail is freed like any block; a neighbour that is grown into keeps its position.
front | [64][16]... | 0=16 | [16][.32.][16]... | Free(32)->Free(896)
front | [16][.64.][16]... | 0=40 | [40][.32.][16]... | Free(32)->Free(864)
)";

struct Case {
  std::string options, before, steps, after, list;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.options << ": " << c.before << "  " << c.steps << "  " << c.after << "  " << c.list;
}

std::vector<Case> cases() {
  std::vector<Case> cases;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    Case c;
    std::istringstream columns(line);
    for (std::string* const column : {&c.options, &c.before, &c.steps, &c.after, &c.list}) {
      std::getline(columns >> std::ws, *column, '|');
      column->resize(column->find_last_not_of(' ') + 1);
    }
    cases.push_back(c);
  }
  return cases;
}

// Sets the option that has this name, and returns true, if there is one.
template <typename Setting>
bool set(std::optional<Setting>& option, const std::string& name, int count) {
  for (int i = 0; i < count; ++i) {
    if (name == variants_of::name(static_cast<Setting>(i))) option = static_cast<Setting>(i);
  }
  return option && name == variants_of::name(*option);
}

Options options_of(const std::string& text) {
  Options options = sized(1024);
  options.policy = "sequential_fit";
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (set(options.fit, word, 3) || set(options.order, word, 5)) continue;
    if (word == "uncoalesced") {
      options.coalesce = false;
    } else if (word == "headerless") {
      options.headers = false;
    } else if (std::isdigit(word[0]) != 0) {
      options.size = std::stoul(word);
    } else {
      options.policy = word;
    }
  }
  return options;
}

void take_step(CheckedHeap& heap, const std::string& step) {
  const auto number = [&step](std::size_t at) { return std::stoul(step.substr(at)); };
  const std::size_t at = step.find('@');
  if (step[0] == '+') {
    heap.malloc(number(1), at == std::string::npos ? 16 : number(at + 1));
  } else if (step[0] == '-') {
    heap.free(payload_of_block(heap, number(1)));
  } else {
    heap.realloc(payload_of_block(heap, number(0)), number(step.find('=') + 1));
  }
}

class Placement : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Table, Placement, ::testing::ValuesIn(cases()));

TEST_P(Placement, EndsAsDrawn) {
  const Case& c = GetParam();
  CheckedHeap heap(options_of(c.options));
  arrange(heap, c.before);
  ASSERT_EQ(drawing(heap), c.before);
  std::istringstream steps(c.steps);
  for (std::string step; steps >> step;) take_step(heap, step);
  EXPECT_EQ(drawing(heap), c.after);
  heap.inspect();
  Fault fault;
  if (!c.list.empty()) {
    EXPECT_EQ(heap->free_list_line(fault), c.list);
  }
}

// --- Segregated fit in a crowded bin. -----------------------------------------------------------

// A hole that offers 1040, then `crowd` holes of 1008 before it in the same bin, and perhaps one of
// 1104 in the next bin; the rest of the region is live. Returns true if the request for 1040 bytes
// gets the first hole.
bool takes_the_first(int crowd, bool next_bin) {
  std::string text = "[.1040.]";
  for (int i = 0; i < crowd; ++i) text += "[16][.1008.]";
  CheckedHeap heap(options_of("segregated_fit 16384"));
  arrange(heap, text + (next_bin ? "[16][.1104.][16]" : "[16]"));
  heap.malloc(heap.view().free_list.back().size);
  EXPECT_NE(heap.malloc(1040), 0U);
  return heap.view().blocks[0].live;
}

TEST(CrowdedBin, IsSearchedForEightBlocksOrForAllIfNoHigherBinHasBlocks) {
  EXPECT_TRUE(takes_the_first(7, true));
  EXPECT_FALSE(takes_the_first(8, true));
  EXPECT_TRUE(takes_the_first(8, false));
}

// --- Quick fit with many free blocks. -----------------------------------------------------------

// Of `n` blocks, k are freed. With the top, k + 1 are free then, and n - k live.
TEST(QuickFit, JoinsWhenMoreThanFourTimesTheLiveBlocksAnd256AreFree) {
  CheckedHeap heap(options_of("quick_fit 65536"));
  const std::vector<Address> payloads = heap.malloc_many(std::vector<Size>(400, 16));
  std::size_t freed = 0;
  for (; heap.view().free_list.size() == freed + 1; ++freed) {
    heap.free(payloads[freed * 7 % 400]);
    heap.inspect();
  }
  EXPECT_EQ(freed, 372U);
  EXPECT_GT(freed + 1, 4 * (400 - freed) + 256);
  EXPECT_LE(heap.view().free_list.size(), 400 - freed + 1);
}

}  // namespace
}  // namespace glassheap
