// Worst fit, case by case (cases.hpp).

#include "policy/worst_fit.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"

namespace glassheap {
namespace {

class WorstFitCases : public PlacementCases {};
TEST_P(WorstFitCases, EndAsDrawn) { expect_outcome(of("worst_fit"), GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    TheLargest, WorstFitCases,
    ::testing::Values(
        Case{"...", "+100", "[100]..."},
        Case{"[.48.][16][.96.][800]", "+16", "[.48.][16][16][.64.][800]"},
        Case{"[.48.][16][.96.][800]", "+16 +16 +16", "[16][.16.][16][16][16][.32.][800]"},
        Case{"[.48.][16][.96.][800]", "+96", "[.48.][16][96][800]"},
        Case{"[.48.][16][.32.][16][.48.][768]", "-1 +0", "[0][.112.][16][.48.][768]"}));

INSTANTIATE_TEST_SUITE_P(
    OfEqualsTheLowest, WorstFitCases,
    ::testing::Values(Case{"[.48.][16][.48.][16][816]", "+16", "[16][.16.][16][.48.][16][816]"},
                      Case{"[48][16][48][16][816]", "-2 -0 +16", "[16][.16.][16][.48.][16][816]"},
                      Case{"[.48.][16][.48.][16][816]", "+16 +16",
                           "[16][.16.][16][16][.16.][16][816]"}));

// The top is chosen like any other block: only its place is special.
INSTANTIATE_TEST_SUITE_P(
    TheTop, WorstFitCases,
    ::testing::Values(Case{"[.48.][16][.96.][16]...", "+16", "[.48.][16][.96.][16][16]..."},
                      Case{"[.48.][16][848]...", "+16",
                           "[16][.16.][16][848]..."},  // it offers 48 as well
                      Case{"[.48.][16][832]...", "+16", "[.48.][16][832][16]..."},  // 64
                      Case{"[.48.][16][864]...", "+16", "[16][.16.][16][864]..."}   // 32
                      ));

INSTANTIATE_TEST_SUITE_P(
    Aligning, WorstFitCases,
    ::testing::Values(
        // The largest by its whole extent; if that cannot hold the aligned payload, the next.
        Case{"[.96.][16][.64.][784]", "+16@64", "[.32.][16][.16.][16][.64.][784]"},
        Case{"[.32.][16][16][.16.][864]", "+16@64", "[.32.][16][16][16][864]"}));

// Blocks of a kibibyte and more are in another index, in the same order.
class WorstFitOfLargeBlocks : public PlacementCases {};
TEST_P(WorstFitOfLargeBlocks, EndAsDrawn) { expect_outcome(of("worst_fit", 8192), GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Sizes, WorstFitOfLargeBlocks,
    ::testing::Values(Case{"[.1504.][16][.2000.][4608]", "+100", "[.1504.][16][100][.1872.][4608]"},
                      Case{"[.1504.][16][.1504.][5104]", "+100", "[100][.1376.][16][.1504.][5104]"},
                      Case{"[.992.][16][.1008.][6112]", "+100", "[.992.][16][100][.880.][6112]"},
                      Case{"[.992.][16][.1008.][6112]", "+100 +100",
                           "[100][.864.][16][100][.880.][6112]"}));

}  // namespace
}  // namespace glassheap
