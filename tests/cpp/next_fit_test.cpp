// Next fit, case by case (cases.hpp). When a heap has been drawn, the rover stands at the end of
// the last block that was taken: behind the drawn ones, or, in a full region, at its end.

#include "policy/next_fit.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"

namespace glassheap {
namespace {

class NextFitCases : public PlacementCases {
 protected:
  static Options next_fit() { return of("next_fit"); }
};

TEST_P(NextFitCases, HaveOneOutcome) { expect_outcome(next_fit(), GetParam()); }

// Three holes in a full region.
constexpr const char* full = "[.16.][16][.32.][16][.48.][800]";

INSTANTIATE_TEST_SUITE_P(GoingOn, NextFitCases,
                         ::testing::Values(
                             // From the rover on, whatever fits below it.
                             Case{"[.48.][16][.32.][16]...", "+32", "[.48.][16][.32.][16][32]..."},
                             Case{full, "+32 +10", "[.16.][16][32][16][10][.16.][800]"},
                             Case{full, "+32 +10 +16", "[.16.][16][32][16][10][16][800]"},
                             // A freed block below the rover waits for its turn.
                             Case{full, "+32 -1 +10", "[.48.][32][16][10][.16.][800]"}));

INSTANTIATE_TEST_SUITE_P(
    Wrapping, NextFitCases,
    ::testing::Values(
        // From the region's end to its start, and to what is in front of the rover.
        Case{full, "+10", "[10][16][.32.][16][.48.][800]"},
        Case{full, "+48", "[.16.][16][.32.][16][48][800]"},
        Case{full, "+48 +32 +16", "[16][16][32][16][48][800]"},
        Case{full, "+32 +10 +16 +16", "[16][16][32][16][10][16][800]"},
        // Once around, and the block that the search began with comes last.
        Case{full, "+32 +10 +10 -2 +32", "[.16.][16][32][16][10][10][800]"}));

INSTANTIATE_TEST_SUITE_P(
    InsideAFreeBlock, NextFitCases,
    ::testing::Values(
        // What was around the rover has been freed: the search starts with that block.
        Case{"[.16.][16][16]...", "-2 +16", "[.16.][16][16]..."},
        Case{"[.16.][16][.16.][16][16][848]", "+16 +16 -0 -2 -3 +0",
             "[.16.][16][0][.32.][16][848]"},
        // It may be too small.
        Case{"[.16.][16][.16.][16][0][96][752]", "+16 +16 -0 -2 -3 -4 +80",
             "[.16.][16][.48.][0][80][.0.][752]"}));

INSTANTIATE_TEST_SUITE_P(
    Staying, NextFitCases,
    ::testing::Values(
        // Only an allocation moves the rover: not a block that grows, or shrinks, in its place.
        Case{"[.16.][16][.16.][16][.48.][16][784]", "+16 3=40 +16",
             "[16][16][16][40][.16.][16][784]"},
        Case{"[.16.][16][.16.][64][16][800]", "+16 3=0 +0", "[16][16][0][.0.][0][.48.][16][800]"}));

INSTANTIATE_TEST_SUITE_P(
    Aligning, NextFitCases,
    ::testing::Values(Case{"[.112.][16]...", "+16@64", "[.112.][16][.0.][16]..."},
                      Case{"[.112.][880]", "+16@64 +0", "[.32.][16][0][.16.][880]"}));

TEST_F(NextFitCases, ARefusedRequestLeavesTheRoverWhereItWas) {
  Rig rig(next_fit());
  draw(rig, full);
  take_steps(rig, "+32");
  EXPECT_EQ(rig.refused_malloc(500).kind, FaultKind::out_of_memory);
  take_steps(rig, "+10");
  EXPECT_EQ(drawing(rig), "[.16.][16][32][16][10][.16.][800]");
}

TEST_F(NextFitCases, ARefusedBatchLeavesTheRoverWhereItWas) {
  Rig rig(next_fit());
  draw(rig, full);
  take_steps(rig, "+32");
  const std::vector<Size> sizes = {0, 16, 0, 0, 500};
  std::vector<Address> addresses(sizes.size());
  rig.refused([&](Fault& f) { EXPECT_FALSE(rig->malloc_many(sizes, addresses, f)); });
  take_steps(rig, "+10");
  EXPECT_EQ(drawing(rig), "[.16.][16][32][16][10][.16.][800]");
}

TEST_F(NextFitCases, ResetBringsTheRoverBackToTheStart) {
  Rig rig(next_fit());
  take_steps(rig, "+32 +32 +32");
  rig.reset();
  EXPECT_EQ(rig.malloc(100), rig->base() + 16);
}

}  // namespace
}  // namespace glassheap
