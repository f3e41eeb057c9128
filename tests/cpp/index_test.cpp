// The indexes of the classic fits against brute force: free blocks are added, split, extended and
// removed at random, and each query must give the answer of a search through all of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "policy/chunk_index.hpp"
#include "policy/size_index.hpp"
#include "printing.hpp"
#include "scale.hpp"

namespace glassheap {
namespace {

constexpr Size kibibyte = 1024;

// Returns true if the index holds free blocks of this extent. It never holds the top.
template <typename Index>
bool accepts(Block block) {
  if constexpr (std::is_same_v<Index, ExactSizes>) return block.extent < kibibyte;
  if constexpr (std::is_same_v<Index, LargeTree>) return block.extent >= kibibyte;
  return true;
}

// A region of blocks, with its block map and an index.
template <typename Index>
class IndexedRegion {
 public:
  IndexedRegion(Size size, unsigned seed) : size_(size), random_(seed), map_(size), index_(map_) {
    map_.add_live({0, size});
    free_[0] = false;
  }

  // Makes one change at a random place, in the order of a heap: first in the map, then in the
  // index.
  void change() {
    const Offset at = random_() % (size_ / 16) * 16;
    const Block block = around(at);
    const unsigned choice = random_() % 4;
    if (is_free(block)) {
      choice == 0 && block.end() != size_&& block.extent > 16 ? split(block) : toggle(block);
    } else if (choice == 0 && at != block.start) {
      split(block, at);
    } else if (choice == 1 && block.end() != size_) {
      merge(block);
    } else {
      toggle(block);
    }
  }

  // The blocks that are in the index, in address order.
  [[nodiscard]] std::vector<Block> indexed() const {
    std::vector<Block> blocks;
    for (const auto& [start, free] : free_) {
      if (free && is_indexed(around(start))) blocks.push_back(around(start));
    }
    return blocks;
  }

  [[nodiscard]] const Index& index() const { return index_; }
  [[nodiscard]] Size size() const { return size_; }
  [[nodiscard]] Offset any_place() { return random_() % (size_ / 16) * 16; }
  // A random extent, at least `least`: mostly that of some block, or one granule more or less.
  [[nodiscard]] Size any_extent(Size least) {
    const std::vector<Block> blocks = indexed();
    const Size near = blocks.empty() ? 512 : blocks[random_() % blocks.size()].extent;
    const Size extent = random_() % 4 == 0 ? 16 + random_() % 200 * 16 : near + random_() % 3 * 16;
    return std::max(least, extent - 16);
  }

 private:
  [[nodiscard]] Block around(Offset at) const {
    const auto next = free_.upper_bound(at);
    const Offset start = std::prev(next)->first;
    return {start, (next == free_.end() ? size_ : next->first) - start};
  }
  [[nodiscard]] bool is_free(Block block) const { return free_.at(block.start); }
  [[nodiscard]] bool is_indexed(Block block) const {
    return block.end() != size_ && accepts<Index>(block);
  }

  void toggle(Block block) {
    const bool freed = !is_free(block);
    freed ? map_.make_free(block) : map_.make_live(block);
    free_[block.start] = freed;
    if (is_indexed(block)) freed ? index_.add(block) : index_.remove(block);
  }
  void split(Block block, Offset at) {
    map_.add_live({at, block.end() - at});
    free_[at] = false;
  }
  // Merges the block behind a live block into it, whether that is free or live.
  void merge(Block block) {
    const Block right = around(block.end());
    if (is_free(right)) toggle(right);
    map_.drop_live(right);
    free_.erase(right.start);
  }
  // Takes the low end of a free block; the remainder stays free.
  void split(Block block) {
    const Block remainder{block.start + 16, block.extent - 16};
    map_.make_live({block.start, 16});
    map_.add_free(remainder);
    free_[block.start] = false;
    free_[remainder.start] = true;
    if constexpr (requires { index_.replace(block, remainder); }) {
      index_.replace(block, remainder);
    } else {
      if (is_indexed(block)) index_.remove(block);
      if (is_indexed(remainder)) index_.add(remainder);
    }
  }

  Size size_;
  std::mt19937 random_;
  BlockMap map_;
  Index index_;
  std::map<Offset, bool> free_;
};

// The same queries, answered by a linear search. The blocks are in address order.
struct BruteForce {
  std::vector<Block> blocks;

  template <typename Holds>
  [[nodiscard]] Block lowest(Holds holds) const {
    const auto found = std::ranges::find_if(blocks, holds);
    return found == blocks.end() ? Block{} : *found;
  }
  [[nodiscard]] Block at_least(Offset from, Size extent) const {
    return lowest([=](Block b) { return b.start >= from && b.extent >= extent; });
  }
  [[nodiscard]] Block exactly(Offset from, Size extent) const {
    return lowest([=](Block b) { return b.start >= from && b.extent == extent; });
  }
  [[nodiscard]] Size smallest(Size extent) const {
    Size found = 0;
    for (const Block b : blocks) {
      if (b.extent >= extent && (found == 0 || b.extent < found)) found = b.extent;
    }
    return found;
  }
  [[nodiscard]] Size largest_below(Size extent) const {
    Size found = 0;
    for (const Block b : blocks) {
      if (b.extent < extent) found = std::max(found, b.extent);
    }
    return found;
  }
  [[nodiscard]] Size largest() const { return largest_below(nowhere); }
};

void expect_same(Block found, Block expected) {
  ASSERT_EQ(found.extent, expected.extent);
  ASSERT_EQ(found ? found.start : 0, expected ? expected.start : 0);
}

void expect_answers(IndexedRegion<ChunkIndex>& region, const BruteForce& expected) {
  ASSERT_EQ(region.index().largest(), expected.largest());
  for (int i = 0; i < 4; ++i) {
    const Offset from = i == 0 ? 0 : region.any_place();
    const Size extent = region.any_extent(16);
    expect_same(region.index().first(from, extent), expected.at_least(from, extent));
  }
  expect_same(region.index().first(region.size(), 16), {});
}

template <typename Sizes>
void expect_sizes(IndexedRegion<Sizes>& region, const BruteForce& expected) {
  const Size extent = region.any_extent(16);
  ASSERT_EQ(region.index().largest(), expected.largest());
  ASSERT_EQ(region.index().smallest(extent), expected.smallest(extent));
  ASSERT_EQ(region.index().largest_below(extent), expected.largest_below(extent));
  for (const Offset from : {Offset{0}, region.any_place()})
    expect_same(region.index().first(from, extent), expected.exactly(from, extent));
}
void expect_answers(IndexedRegion<SizeIndex>& region, const BruteForce& expected) {
  expect_sizes(region, expected);
}
void expect_answers(IndexedRegion<ExactSizes>& region, const BruteForce& expected) {
  const Size extent = std::min(region.any_extent(16), kibibyte - 16);
  ASSERT_EQ(region.index().largest(), expected.largest());
  ASSERT_EQ(region.index().smallest(extent), expected.smallest(extent));
  ASSERT_EQ(region.index().smallest(kibibyte), 0U);
  ASSERT_EQ(region.index().largest_below(extent), expected.largest_below(extent));
  ASSERT_EQ(region.index().largest_below(kibibyte), expected.largest());
  for (const Offset from : {Offset{0}, region.any_place(), region.size()})
    expect_same(region.index().first(from, extent), expected.exactly(from, extent));
}

void expect_answers(IndexedRegion<LargeTree>& region, const BruteForce& expected) {
  const Size extent = region.any_extent(16);
  const Offset from = region.any_place();
  ASSERT_EQ(region.index().largest(), expected.largest());
  ASSERT_EQ(region.index().largest_below(extent), expected.largest_below(extent));
  Block first = expected.exactly(from, extent);
  if (const Size more = expected.smallest(extent + 16); !first && more != 0)
    first = expected.exactly(0, more);
  expect_same(region.index().first({from, extent}), first);
}

template <typename Index>
class IndexOf : public ::testing::Test {};
using Indexes = ::testing::Types<ChunkIndex, ExactSizes, LargeTree, SizeIndex>;
TYPED_TEST_SUITE(IndexOf, Indexes);

TYPED_TEST(IndexOf, AgreesWithBruteForce) {
  unsigned seed = 0;
  for (const Size size : {16U, 48U, 1024U, 1040U, 2048U, 5008U, 65536U, 300000U, 1U << 20}) {
    IndexedRegion<TypeParam> region(size, ++seed);
    for (int change = 0; change < scaled(4000, 300); ++change) {
      region.change();
      if (size > 65536 && change % 8 != 0) continue;
      expect_answers(region, {region.indexed()});
      ASSERT_FALSE(this->HasFatalFailure()) << "change " << change << " of " << size;
    }
  }
}

TYPED_TEST(IndexOf, IsEmptyAfterClear) {
  BlockMap map(65536);
  TypeParam index(map);
  map.add_live({0, 65536});
  for (const Block block : {Block{16, 48}, Block{2048, 4096}}) {
    map.add_live(block);
    map.add_live({block.end(), 65536 - block.end()});
    map.make_free(block);
    if (accepts<TypeParam>(block)) index.add(block);
  }
  EXPECT_NE(index.largest(), 0U);
  index.clear();
  EXPECT_EQ(index.largest(), 0U);
}

// The index stores at most 2^31 - 1 granules; larger extents are distinguished in the block map.
TEST(ChunkIndexOfTheLargestRegion, DistinguishesExtentsBeyondItsNumbers) {
  if (slow_build) GTEST_SKIP() << "A sanitizer does not leave so much address space.";
  BlockMap map(largest_region);
  ChunkIndex index(map);
  const Size half = Size{1} << 35;
  const Block low{0, half};
  const Block high{half + 16, half - 64};
  map.add_live({0, largest_region});
  for (const Block block : {Block{low.end(), 16}, high, Block{high.end(), 16}}) map.add_live(block);
  for (const Block block : {low, high}) {
    map.make_free(block);
    index.add(block);
  }
  EXPECT_EQ(index.largest(), half);
  expect_same(index.first(0, half), low);
  expect_same(index.first(16, half - 64), high);
  expect_same(index.first(16, half - 48), {});
  expect_same(index.first(0, half + 16), {});
}

}  // namespace
}  // namespace glassheap
