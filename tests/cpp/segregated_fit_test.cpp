// Segregated fit, case by case (cases.hpp). The holes of an arranged heap were freed from the left:
// in each bin the one with the highest address is at the front.

#include "policy/segregated_fit.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"

namespace glassheap {
namespace {

class SegregatedFitCases : public PlacementCases {};
TEST_P(SegregatedFitCases, EndAsDrawn) { expect_outcome(of("segregated_fit"), GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    FromItsOwnBin, SegregatedFitCases,
    ::testing::Values(Case{"[.96.][16][.32.][16]...", "+32", "[.96.][16][32][16]..."},
                      // The block that was freed last.
                      Case{"[32][16][32][16]...", "-0 -2 +32", "[.32.][16][32][16]..."},
                      Case{"[32][16][32][16]...", "-2 -0 +32", "[32][16][.32.][16]..."},
                      Case{"[32][16][32][16]...", "-2 -0 +32 +20", "[32][16][20][16]..."}));

INSTANTIATE_TEST_SUITE_P(
    FromTheNextOccupiedBin, SegregatedFitCases,
    ::testing::Values(Case{"[.96.][16][.48.][16]...", "+32", "[.96.][16][32][.0.][16]..."},
                      Case{"[.96.][16][.48.][16]...", "+64", "[64][.16.][16][.48.][16]..."},
                      // The remainder goes to its own bin.
                      Case{"[.96.][16][.48.][16]...", "+64 +16", "[64][16][16][.48.][16]..."}));

INSTANTIATE_TEST_SUITE_P(FromTheTopLast, SegregatedFitCases,
                         ::testing::Values(Case{"[.96.][16]...", "+32", "[32][.48.][16]..."},
                                           // Even if the top would fit exactly: it offers 32.
                                           Case{"[.96.][16][816]...", "+32",
                                                "[32][.48.][16][816]..."},
                                           Case{"[.16.][16]...", "+32", "[.16.][16][32]..."},
                                           Case{"[.96.][16]...", "-1 +32", "[32]..."}));

INSTANTIATE_TEST_SUITE_P(
    Aligning, SegregatedFitCases,
    ::testing::Values(
        // A block that is large enough but cannot hold the aligned payload is skipped.
        Case{"[.96.][16][.32.][16]...", "+16@64", "[.32.][16][.16.][16][.32.][16]..."},
        Case{"[.32.][16]...", "+16@64", "[.32.][16][.16.][16]..."}));

// From 1024 to 1072 bytes, 4 granules share a bin; so do those from 1088, in the next.
class SegregatedFitOfLargeBlocks : public PlacementCases {
 protected:
  // A hole that offers 1040, then `crowd` holes of 1008 before it in the same bin, and perhaps one
  // of 1104 in the next bin. The rest of the region is live.
  static std::string crowded(int crowd, bool next_bin, const char* first) {
    std::string text = first;
    for (int i = 0; i < crowd; ++i) text += "[16][.1008.]";
    return text + "[16]" + (next_bin ? "[.1104.][16]" : "");
  }
  static void expect_crowded(int crowd, bool next_bin, Size size, const std::string& after) {
    HeapFixture heap(of("segregated_fit", 16384));
    arrange(heap, crowded(crowd, next_bin, "[.1040.]"));
    heap.malloc(heap.free_list().back().size);
    heap.malloc(size);
    EXPECT_TRUE(drawing(heap).starts_with(after)) << drawing(heap);
    EXPECT_TRUE(heap.check().empty());
  }
};
TEST_P(SegregatedFitOfLargeBlocks, EndAsDrawn) {
  expect_outcome(of("segregated_fit", 8192), GetParam());
}

INSTANTIATE_TEST_SUITE_P(TheSmallestOfTheFirstEight, SegregatedFitOfLargeBlocks,
                         ::testing::Values(Case{"[.1008.][16][.1040.][16][.1056.][16]...", "+1040",
                                                "[.1008.][16][1040][16][.1056.][16]..."},
                                           Case{"[.1008.][16][.1040.][16][.1056.][16]...", "+1020",
                                                "[.1008.][16][1020][.0.][16][.1056.][16]..."},
                                           Case{"[.1056.][16][.1040.][16][.1008.][16]...", "+1020",
                                                "[.1056.][16][1020][.0.][16][.1008.][16]..."}));

TEST_F(SegregatedFitOfLargeBlocks, TheEighthIsExamined) {
  expect_crowded(7, true, 1040, crowded(7, true, "[1040]"));
}
TEST_F(SegregatedFitOfLargeBlocks, TheNinthIsNotExaminedIfAHigherBinHasBlocks) {
  expect_crowded(8, true, 1040, crowded(8, false, "[.1040.]") + "[1040][.48.]");
}
TEST_F(SegregatedFitOfLargeBlocks, AllAreExaminedBeforeTheRequestIsRefused) {
  expect_crowded(8, false, 1040, crowded(8, false, "[1040]"));
}

}  // namespace
}  // namespace glassheap
