// Sequential fit, case by case (cases.hpp): besides the heap, the list as it is printed. A drawn
// heap's holes were freed from the left.

#include "policy/sequential_fit.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"

namespace glassheap {
namespace {

struct ListCase {
  Sequence sequence;
  Case heap;
  const char* list;
};

void PrintTo(const ListCase& c, std::ostream* out) {
  *out << variants_of::sequence(c.sequence.fit, c.sequence.order, c.sequence.coalesce).name << ' ';
  PrintTo(c.heap, out);
}

class SequentialFitCases : public ::testing::TestWithParam<ListCase> {};

TEST_P(SequentialFitCases, HaveOneOutcome) {
  const auto& [sequence, heap, list] = GetParam();
  Options options = variants_of::sequence(sequence.fit, sequence.order, sequence.coalesce).options;
  options.size = 1024;
  Rig rig(options);
  draw(rig, heap.before);
  ASSERT_EQ(drawing(rig), heap.before);
  take_steps(rig, heap.steps);
  EXPECT_EQ(drawing(rig), heap.after);
  EXPECT_EQ(rig.granted([&](Fault& f) { return rig->free_list_line(f); }), list);
  EXPECT_TRUE(rig.check().empty());
}

constexpr Fit first = Fit::first, best = Fit::best, worst = Fit::worst;
constexpr Order by_address = Order::address, size_up = Order::size_up;
constexpr Order size_down = Order::size_down, front = Order::front, back = Order::back;

constexpr const char* holes = "[.16.][16][.48.][16]...";

INSTANTIATE_TEST_SUITE_P(
    Orders, SequentialFitCases,
    ::testing::Values(
        ListCase{{first, by_address, true}, {holes, "", holes}, "Free(16)->Free(48)->Free(848)"},
        ListCase{{first, size_up, true}, {holes, "", holes}, "Free(16)->Free(48)->Free(848)"},
        ListCase{{first, size_down, true}, {holes, "", holes}, "Free(848)->Free(48)->Free(16)"},
        ListCase{{first, front, true}, {holes, "", holes}, "Free(48)->Free(16)->Free(848)"},
        ListCase{{first, back, true}, {holes, "", holes}, "Free(848)->Free(16)->Free(48)"}));

// First fit takes the first in the list, wherever that is in memory; what is left keeps its place.
INSTANTIATE_TEST_SUITE_P(FirstFit, SequentialFitCases,
                         ::testing::Values(ListCase{{first, front, false},
                                                    {holes, "+10", "[.16.][16][10][.16.][16]..."},
                                                    "Free(16)->Free(16)->Free(848)"},
                                           ListCase{{first, back, false},
                                                    {holes, "+10", "[.16.][16][.48.][16][10]..."},
                                                    "Free(816)->Free(16)->Free(48)"},
                                           ListCase{{first, size_up, false},
                                                    {holes, "+10", "[10][16][.48.][16]..."},
                                                    "Free(48)->Free(848)"},
                                           ListCase{{first, size_down, false},
                                                    {holes, "+10", "[.16.][16][.48.][16][10]..."},
                                                    "Free(816)->Free(48)->Free(16)"}));

// Of equals, best and worst fit take the one that stands earlier in the list.
constexpr const char* equals = "[.32.][16][.32.][16][848]";

INSTANTIATE_TEST_SUITE_P(OfEqualsTheEarlier, SequentialFitCases,
                         ::testing::Values(ListCase{{worst, front, true},
                                                    {equals, "+16", "[.32.][16][16][.0.][16][848]"},
                                                    "Free(0)->Free(32)"},
                                           ListCase{{worst, back, true},
                                                    {equals, "+16", "[16][.0.][16][.32.][16][848]"},
                                                    "Free(0)->Free(32)"},
                                           ListCase{{best, front, true},
                                                    {equals, "+16", "[.32.][16][16][.0.][16][848]"},
                                                    "Free(0)->Free(32)"},
                                           ListCase{{best, back, true},
                                                    {equals, "+16", "[16][.0.][16][.32.][16][848]"},
                                                    "Free(0)->Free(32)"}));

// The sort is stable: a newcomer stands last among equals. It is made when a block is freed, and
// not when one is cut.
INSTANTIATE_TEST_SUITE_P(
    Sorting, SequentialFitCases,
    ::testing::Values(ListCase{{first, size_up, true},
                               {"[32][16][32][16]...", "-2 -0 +32", "[.32.][16][32][16]..."},
                               "Free(32)->Free(848)"},
                      ListCase{{first, size_up, true},
                               {"[32][16][32][16]...", "-0 -2 +32", "[32][16][.32.][16]..."},
                               "Free(32)->Free(848)"},
                      ListCase{{first, size_down, false},
                               {"[.96.][16][.48.][16]...", "+700", "[.96.][16][.48.][16][700]..."},
                               "Free(48)->Free(96)->Free(48)"},
                      ListCase{
                          {first, size_down, false},
                          {"[.96.][16][.48.][16]...", "+700 -1", "[.96.][.16.][.48.][16][700]..."},
                          "Free(96)->Free(48)->Free(48)->Free(16)"}));

// One pass in list order: complete by address, and only there.
constexpr const char* three = "[16][16][16]...";

INSTANTIATE_TEST_SUITE_P(
    Coalescing, SequentialFitCases,
    ::testing::Values(
        ListCase{
            {first, by_address, true}, {three, "-1 -0", "[.48.][16]..."}, "Free(48)->Free(912)"},
        ListCase{{first, by_address, true}, {three, "-1 -0 -1", "..."}, "Free(1008)"},
        ListCase{{first, by_address, false},
                 {three, "-1 -0", "[.16.][.16.][16]..."},
                 "Free(16)->Free(16)->Free(912)"},
        ListCase{{first, back, true},
                 {three, "-1 -0", "[.16.][.16.][16]..."},
                 "Free(912)->Free(16)->Free(16)"},
        ListCase{{first, back, true}, {three, "-0 -1", "[.48.][16]..."}, "Free(912)->Free(48)"},
        ListCase{{first, back, true}, {three, "-0 -1 -1", "[.80.]..."}, "Free(912)->Free(80)"},
        ListCase{{first, front, true}, {three, "-1 -0", "[.48.][16]..."}, "Free(48)->Free(912)"},
        ListCase{{first, front, true},
                 {three, "-1 -0 -1", "[.48.][.16.]..."},
                 "Free(16)->Free(48)->Free(912)"},
        // The first one's place, and nothing is sorted again.
        ListCase{{first, size_up, true},
                 {"[0][16][0][16][64]...", "-1 -3 -0", "[.32.][0][.16.][64]..."},
                 "Free(32)->Free(16)->Free(832)"}));

// In front of an aligned block and behind it, at the same place, in this order.
INSTANTIATE_TEST_SUITE_P(Aligning, SequentialFitCases,
                         ::testing::Values(ListCase{{first, front, true},
                                                    {"...", "+16@64", "[.32.][16]..."},
                                                    "Free(32)->Free(928)"},
                                           ListCase{{first, size_down, true},
                                                    {holes, "+16@256",
                                                     "[.16.][16][.48.][16][.64.][16]..."},
                                                    "Free(64)->Free(736)->Free(48)->Free(16)"}));

INSTANTIATE_TEST_SUITE_P(
    Resizing, SequentialFitCases,
    ::testing::Values(
        // A tail is freed like a block of its own; a neighbour that is grown into keeps its place.
        ListCase{{first, front, false},
                 {"[64][16]...", "0=16", "[16][.32.][16]..."},
                 "Free(32)->Free(896)"},
        ListCase{{first, back, false},
                 {"[64][16]...", "0=16", "[16][.32.][16]..."},
                 "Free(896)->Free(32)"},
        ListCase{{first, front, false},
                 {"[16][.64.][16][.16.][16]...", "0=40", "[40][.32.][16][.16.][16]..."},
                 "Free(16)->Free(32)->Free(800)"}));

}  // namespace
}  // namespace glassheap
