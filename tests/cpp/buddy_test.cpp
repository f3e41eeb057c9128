// Buddies: their arithmetic against brute force, and placement case by case (cases.hpp).

#include "policy/buddy.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"
#include "space/buddies.hpp"

namespace glassheap {
namespace {

// Returns true if the extent is a power of two and the start a multiple of it.
bool is_aligned_power(Block block) {
  return is_power_of_two(block.extent) && block.start % block.extent == 0;
}

TEST(BuddyArithmetic, TheFirstPieceIsTheLargestAlignedPowerThatFits) {
  for (Offset start = 0; start < 2048; start += 16) {
    for (Size extent = 16; extent < 2048; extent += 16) {
      Block largest{start, 16};
      for (Size power = 16; power <= extent; power *= 2) {
        if (is_aligned_power({start, power})) largest.extent = power;
      }
      ASSERT_EQ(first_piece({start, extent}), largest) << start << ' ' << extent;
    }
  }
}

TEST(BuddyArithmetic, TheEnclosingBlockIsTheSmallestThatHoldsTheSpan) {
  for (Offset start = 0; start < 1024; start += 16) {
    for (Size extent = 16; extent < 1024; extent += 16) {
      Size power = 16;
      while (start / power != (start + extent - 16) / power) power *= 2;
      ASSERT_EQ(enclosing({start, extent}), (Block{start / power * power, power}))
          << start << ' ' << extent;
    }
  }
}

TEST(BuddyArithmetic, HoldsInTheLargestRegion) {
  const Size half = Size{1} << 35;
  EXPECT_EQ(first_piece({0, largest_region}), (Block{0, half}));
  EXPECT_EQ(first_piece({half, largest_region - half}), (Block{half, half / 2}));
  EXPECT_EQ(first_piece({largest_region - 16, 16}), (Block{largest_region - 16, 16}));
  EXPECT_EQ(enclosing({half - 16, 32}), (Block{0, 2 * half}));
  EXPECT_EQ(enclosing({largest_region - 16, 16}), (Block{largest_region - 16, 16}));
}

TEST(BuddyArithmetic, ABinIsAnOrder) {
  for (std::size_t order = 0; order < 32; ++order)
    EXPECT_EQ(Buddy::bin_of(granule_size << order), order);
}

class BuddyCases : public PlacementCases {};
TEST_P(BuddyCases, EndAsDrawn) { expect_outcome(of("buddy"), GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Halving, BuddyCases,
    ::testing::Values(Case{"...", "+1008", "[1008]"}, Case{"...", "+497", "[497]"},
                      Case{"...", "+496", "[496]..."},
                      Case{"...", "+100", "[100][.112.][.240.]..."},
                      Case{"...", "+0", "[0][.0.][.16.][.48.][.112.][.240.]..."},
                      // The smallest order that fits; of its blocks the one that was freed last.
                      Case{"[100][.112.][.240.]...", "+20", "[100][20][.48.][.240.]..."},
                      Case{"[100][.112.][.240.]...", "+200", "[100][.112.][200]..."},
                      Case{"[100][100][100][100]...", "-0 -3 +100", "[.112.][100][100][100]..."}));

INSTANTIATE_TEST_SUITE_P(
    Coalescing, BuddyCases,
    ::testing::Values(Case{"[100][.112.][.240.]...", "-0", "..."},
                      Case{"[100][100][.240.]...", "-0", "[.112.][100][.240.]..."},
                      Case{"[100][100][.240.]...", "-0 -1", "..."},
                      Case{"[100][100][.240.]...", "-1 -0", "..."},
                      // Neighbours that are not buddies; buddies of which one is still split.
                      Case{"[100][100][100][100]...", "-1 -2", "[100][.112.][.112.][100]..."},
                      Case{"[100][40][.48.][.240.]...", "-0", "[.112.][40][.48.][.240.]..."},
                      Case{"[0][.0.][.16.][.48.][.112.][.240.]...", "-0", "..."}));

INSTANTIATE_TEST_SUITE_P(
    Resizing, BuddyCases,
    ::testing::Values(Case{"[200][.240.]...", "0=240", "[240][.240.]..."},
                      Case{"[200][.240.]...", "0=100", "[100][.112.][.240.]..."},
                      Case{"[200][.240.]...", "0=0", "[0][.0.][.16.][.48.][.112.][.240.]..."},
                      // A block grows into its buddy behind it, and into no more.
                      Case{"[200][.240.]...", "0=0 0=240", "[.240.][240]..."},
                      Case{"[100][.112.][.240.]...", "0=200", "[200][.240.]..."},
                      // It moves if a block of that size would not be aligned here.
                      Case{"[.112.][100][.240.]...", "1=200", "[.240.][200]..."},
                      Case{"[100][100][.240.]...", "0=200", "[.112.][100][200]..."}));

// With headers, no buddy has its payload at a multiple of 32. A block with such a payload is split
// off from the middle; the rest of the buddy is free in powers of two, and merges again later.
INSTANTIATE_TEST_SUITE_P(
    Aligning, BuddyCases,
    ::testing::Values(Case{"...", "+100@128", "[.48.][.16.][.0.][100][.0.][.240.]..."},
                      Case{"...", "+100@128 -3", "..."},
                      Case{"...", "+0@32", "[.0.][0][.16.][.48.][.112.][.240.]..."},
                      Case{"...", "+0@32 -1", "..."},
                      Case{"...", "+100@128 +0 -3", "[.112.][.48.][.16.][.0.][0][.240.]..."},
                      Case{"...", "+100@128 +0 -3 -4", "..."},
                      Case{"...", "+100@128 3=40", "[.48.][.16.][.0.][40][.0.][.48.][.240.]..."}));

class BuddiesInAnOddRegion : public PlacementCases {};
TEST_P(BuddiesInAnOddRegion, EndAsDrawn) { expect_outcome(of("buddy", 400), GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Pieces, BuddiesInAnOddRegion,
    ::testing::Values(Case{"[.240.][.112.]...", "", "[.240.][.112.]..."},
                      Case{"[.240.][.112.]...", "+100", "[.240.][100]..."},
                      Case{"[.240.][.112.]...", "+0", "[.240.][.112.][0]"},
                      Case{"[.240.][.112.]...", "+0 +0 -1 -2", "[.240.][.112.]..."},
                      Case{"[.240.][.112.]...", "+200 -0", "[.240.][.112.]..."}));

class HeaderlessBuddies : public PlacementCases {};
TEST_P(HeaderlessBuddies, EndAsDrawn) {
  Options headerless = of("buddy");
  headerless.headers = false;
  expect_outcome(headerless, GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Placement, HeaderlessBuddies,
    ::testing::Values(Case{"...", "+100", "[128][.128.][.256.]..."},
                      Case{"...", "+128", "[128][.128.][.256.]..."}, Case{"...", "+1024", "[1024]"},
                      Case{"...", "+0", "[16][.16.][.32.][.64.][.128.][.256.]..."},
                      // Without headers each buddy is aligned: none is split off from the middle.
                      Case{"...", "+100@128", "[128][.128.][.256.]..."},
                      Case{"[16][.16.][.32.][.64.][.128.][.256.]...", "+16@256",
                           "[16][.16.][.32.][.64.][.128.][16][.16.][.32.][.64.][.128.]..."}));

// Two blocks freed together merge with a node that neither would merge with alone; damage in that
// node is found before either is freed.
TEST(BuddyBatch, VetsTheNodesThatItsBlocksMergeWithTogether) {
  Options options = variants_of::policy("buddy").options;
  options.size = 1024;
  HeapFixture heap(options);
  arrange(heap, "[100][100][.240.]...");
  std::vector<Address> both = {payload_of_block(heap, 0), payload_of_block(heap, 1)};
  heap.region()[256 + 8] ^= std::byte{1};
  const Fault fault = heap.refused([&](Fault& f) { EXPECT_FALSE(heap->free_many(both, f)); });
  EXPECT_EQ(fault.kind, FaultKind::free_list_corrupted);
  EXPECT_EQ(fault.offset, 256U);
}

}  // namespace
}  // namespace glassheap
