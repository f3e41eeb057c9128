// Next fit, case by case (cases.hpp). In a heap that has just been arranged, the rover is at the
// end of the last block that was allocated: behind the drawn blocks, or at the end of a full
// region.

#include "policy/next_fit.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"

namespace glassheap {
namespace {

class NextFitCases : public PlacementCases {
 protected:
  static Options next_fit() { return of("next_fit"); }
};

TEST_P(NextFitCases, EndAsDrawn) { expect_outcome(next_fit(), GetParam()); }

// Three holes in a full region.
constexpr const char* full = "[.16.][16][.32.][16][.48.][800]";

INSTANTIATE_TEST_SUITE_P(GoingOn, NextFitCases,
                         ::testing::Values(
                             // From the rover on, even if a block below it fits.
                             Case{"[.48.][16][.32.][16]...", "+32", "[.48.][16][.32.][16][32]..."},
                             Case{full, "+32 +10", "[.16.][16][32][16][10][.16.][800]"},
                             Case{full, "+32 +10 +16", "[.16.][16][32][16][10][16][800]"},
                             // A block that is freed below the rover is not used before the wrap.
                             Case{full, "+32 -1 +10", "[.48.][32][16][10][.16.][800]"}));

INSTANTIATE_TEST_SUITE_P(
    Wrapping, NextFitCases,
    ::testing::Values(
        // From the region's end to its start, and on to the blocks below the rover.
        Case{full, "+10", "[10][16][.32.][16][.48.][800]"},
        Case{full, "+48", "[.16.][16][.32.][16][48][800]"},
        Case{full, "+48 +32 +16", "[16][16][32][16][48][800]"},
        Case{full, "+32 +10 +16 +16", "[16][16][32][16][10][16][800]"},
        // Once around: the block at which the search began comes last.
        Case{full, "+32 +10 +10 -2 +32", "[.16.][16][32][16][10][10][800]"}));

INSTANTIATE_TEST_SUITE_P(InsideAFreeBlock, NextFitCases,
                         ::testing::Values(
                             // The rover is inside a free block: the search starts with that block.
                             Case{"[.16.][16][16]...", "-2 +16", "[.16.][16][16]..."},
                             Case{"[.16.][16][.16.][16][16][848]", "+16 +16 -0 -2 -3 +0",
                                  "[.16.][16][0][.32.][16][848]"},
                             // That block may be too small.
                             Case{"[.16.][16][.16.][16][0][96][752]", "+16 +16 -0 -2 -3 -4 +80",
                                  "[.16.][16][.48.][0][80][.0.][752]"}));

INSTANTIATE_TEST_SUITE_P(
    Staying, NextFitCases,
    ::testing::Values(
        // Only an allocation moves the rover, not a block that grows or shrinks in place.
        Case{"[.16.][16][.16.][16][.48.][16][784]", "+16 3=40 +16",
             "[16][16][16][40][.16.][16][784]"},
        Case{"[.16.][16][.16.][64][16][800]", "+16 3=0 +0", "[16][16][0][.0.][0][.48.][16][800]"}));

INSTANTIATE_TEST_SUITE_P(
    Aligning, NextFitCases,
    ::testing::Values(Case{"[.112.][16]...", "+16@64", "[.112.][16][.0.][16]..."},
                      Case{"[.112.][880]", "+16@64 +0", "[.32.][16][0][.16.][880]"}));

TEST_F(NextFitCases, ARefusedRequestLeavesTheRoverWhereItWas) {
  HeapFixture heap(next_fit());
  arrange(heap, full);
  take_steps(heap, "+32");
  EXPECT_EQ(heap.refused_malloc(500).kind, FaultKind::out_of_memory);
  take_steps(heap, "+10");
  EXPECT_EQ(drawing(heap), "[.16.][16][32][16][10][.16.][800]");
}

TEST_F(NextFitCases, ARefusedBatchLeavesTheRoverWhereItWas) {
  HeapFixture heap(next_fit());
  arrange(heap, full);
  take_steps(heap, "+32");
  const std::vector<Size> sizes = {0, 16, 0, 0, 500};
  std::vector<Address> addresses(sizes.size());
  heap.refused([&](Fault& f) { EXPECT_FALSE(heap->malloc_many(sizes, addresses, f)); });
  take_steps(heap, "+10");
  EXPECT_EQ(drawing(heap), "[.16.][16][32][16][10][.16.][800]");
}

TEST_F(NextFitCases, ResetBringsTheRoverBackToTheStart) {
  HeapFixture heap(next_fit());
  take_steps(heap, "+32 +32 +32");
  heap.reset();
  EXPECT_EQ(heap.malloc(100), heap->base() + 16);
}

}  // namespace
}  // namespace glassheap
