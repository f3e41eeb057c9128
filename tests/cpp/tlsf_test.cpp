// TLSF, case by case (cases.hpp). The holes of an arranged heap were freed from the left: in each
// class the one with the highest address is at the front.

#include "policy/tlsf.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"

namespace glassheap {
namespace {

class TlsfCases : public PlacementCases {};
TEST_P(TlsfCases, EndAsDrawn) { expect_outcome(of("tlsf", 2048), GetParam()); }

// Below 512 bytes there is a class for each number of granules.
INSTANTIATE_TEST_SUITE_P(
    ExactClasses, TlsfCases,
    ::testing::Values(Case{"[.96.][16][.32.][16]...", "+32", "[.96.][16][32][16]..."},
                      Case{"[.96.][16][.48.][16]...", "+32", "[.96.][16][32][.0.][16]..."},
                      Case{"[.496.][16][.480.][16]...", "+480", "[.496.][16][480][16]..."},
                      // The block that was freed last.
                      Case{"[32][16][32][16]...", "-0 -2 +32", "[.32.][16][32][16]..."},
                      Case{"[32][16][32][16]...", "-2 -0 +32", "[32][16][.32.][16]..."}));

// From 512 to 1008 bytes, two granules share a class: a request that is not the least of its class
// is rounded up to the next one, and blocks that might fit are skipped.
INSTANTIATE_TEST_SUITE_P(
    RoundingUp, TlsfCases,
    ::testing::Values(Case{"[.512.][16][.544.][16]...", "+512", "[.512.][16][512][.16.][16]..."},
                      Case{"[.512.][16][.528.][16]...", "+512", "[.512.][16][512][.0.][16]..."},
                      // 32 granules are the least of their class.
                      Case{"[.512.][16][.544.][16]...", "+496", "[496][.0.][16][.544.][16]..."},
                      // The top is of some class, too.
                      Case{"[.96.][16][1840]...", "+32", "[.96.][16][1840][32]"}));

// Before a request is refused, its own class is searched for the smallest block that fits.
INSTANTIATE_TEST_SUITE_P(LookingOnceMore, TlsfCases,
                         ::testing::Values(Case{"[.512.][16][1472]", "+512", "[512][16][1472]"},
                                           Case{"[.496.][16][.512.][16][.496.][16][384]", "+512",
                                                "[.496.][16][512][16][.496.][16][384]"}));

INSTANTIATE_TEST_SUITE_P(
    Aligning, TlsfCases,
    ::testing::Values(
        // Rounded up by the largest possible gap: 32 bytes with a gap of 48 fit anywhere in 80.
        Case{"[.32.][16][.64.][16]...", "+16@64", "[.32.][16][.16.][16][.0.][16]..."},
        // A block in which the payload fits by chance is taken only if there is no larger one.
        Case{"[.32.][16][16][.16.][1888]", "+16@64", "[.32.][16][16][16][1888]"}));

}  // namespace
}  // namespace glassheap
