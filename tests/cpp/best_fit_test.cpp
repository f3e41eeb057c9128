// Best fit, case by case (cases.hpp).

#include "policy/best_fit.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"

namespace glassheap {
namespace {

class BestFitCases : public PlacementCases {};
TEST_P(BestFitCases, EndAsDrawn) { expect_outcome(of("best_fit"), GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    TheSmallest, BestFitCases,
    ::testing::Values(
        Case{"...", "+100", "[100]..."},
        Case{"[.48.][16][.32.][16]...", "+32", "[.48.][16][32][16]..."},
        Case{"[.96.][16][.64.][16]...", "+40", "[.96.][16][40][.0.][16]..."},
        Case{"[.16.][16][.96.][16][.64.][16]...", "+0", "[0][.0.][16][.96.][16][.64.][16]..."},
        Case{"[.96.][16][.64.][16]...", "+97", "[.96.][16][.64.][16][97]..."},
        // The remainder is a smaller block, and the best fit for a smaller request.
        Case{"[.96.][16][.64.][16]...", "+32 +8", "[.96.][16][32][8][16]..."},
        // A merged block has the size of both.
        Case{"[.32.][16][.32.][16][.96.][16]...", "-1 +90", "[.112.][16][90][16]..."}));

INSTANTIATE_TEST_SUITE_P(
    OfEqualsTheLowest, BestFitCases,
    ::testing::Values(Case{"[.32.][16][.32.][16]...", "+20", "[20][16][.32.][16]..."},
                      Case{"[32][16][32][16]...", "-0 -2 +20", "[20][16][.32.][16]..."},
                      Case{"[32][16][32][16]...", "-2 -0 +20", "[20][16][.32.][16]..."}));

// The top is chosen like any other block: only its place is special.
INSTANTIATE_TEST_SUITE_P(
    TheTop, BestFitCases,
    ::testing::Values(Case{"[.48.][16][864]...", "+32", "[.48.][16][864][32]"},  // it offers 32
                      Case{"[.32.][16][880]...", "+32",
                           "[32][16][880]..."},  // 32, and is the higher one
                      Case{"[.16.][16][896]...", "+16", "[16][16][896]..."},      // 32
                      Case{"[.48.][16][848]...", "+32", "[32][.0.][16][848]..."}  // 48
                      ));

INSTANTIATE_TEST_SUITE_P(
    Aligning, BestFitCases,
    ::testing::Values(
        // The smallest by its whole extent, not by what is left.
        Case{"[.96.][16][.64.][16]...", "+16@64", "[.96.][16][.16.][16][.0.][16]..."},
        // The smallest is not a candidate if the aligned payload does not fit.
        Case{"[.96.][16][.32.][16]...", "+16@64", "[.32.][16][.16.][16][.32.][16]..."},
        // Of two equals, the one that can hold the aligned payload.
        Case{"[.32.][16][16][.32.][16]...", "+16@64", "[.32.][16][16][16][.0.][16]..."}));

// Blocks of a kibibyte and more are in another index, in the same order.
class BestFitOfLargeBlocks : public PlacementCases {};
TEST_P(BestFitOfLargeBlocks, EndAsDrawn) { expect_outcome(of("best_fit", 16384), GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Sizes, BestFitOfLargeBlocks,
    ::testing::Values(
        Case{"[.2000.][16][.1504.][16]...", "+1400", "[.2000.][16][1400][.80.][16]..."},
        Case{"[.1504.][16][.1504.][16]...", "+1400", "[1400][.80.][16][.1504.][16]..."},
        Case{"[1504][16][1504][16]...", "-2 -0 +1400", "[1400][.80.][16][.1504.][16]..."},
        Case{"[.1008.][16][.992.][16]...", "+990", "[.1008.][16][990][16]..."},
        Case{"[.992.][16][.1008.][16]...", "+1000", "[.992.][16][1000][16]..."},
        Case{"[.3008.][16][.992.][16][.2000.][16]...", "+1000",
             "[.3008.][16][.992.][16][1000][.976.][16]..."}));

}  // namespace
}  // namespace glassheap
