// Sequential fit, case by case (cases.hpp): the drawing of the heap and its free list as printed.
// The holes of an arranged heap were freed from the left.

#include "policy/sequential_fit.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"

namespace glassheap {
namespace {

struct ListCase {
  Sequence settings;
  Case placement;
  const char* list;
};

Variant variant(const Sequence& settings) {
  return variants_of::sequential_fit(settings.fit, settings.order, settings.coalesce);
}

void PrintTo(const ListCase& c, std::ostream* out) {
  *out << variant(c.settings).name << ' ';
  PrintTo(c.placement, out);
}

class SequentialFitCases : public ::testing::TestWithParam<ListCase> {};

TEST_P(SequentialFitCases, EndAsDrawn) {
  const auto& [settings, placement, list] = GetParam();
  Options options = variant(settings).options;
  options.size = 1024;
  HeapFixture heap(options);
  arrange(heap, placement.before);
  ASSERT_EQ(drawing(heap), placement.before);
  take_steps(heap, placement.steps);
  EXPECT_EQ(drawing(heap), placement.after);
  EXPECT_EQ(heap.granted([&](Fault& f) { return heap->free_list_line(f); }), list);
  EXPECT_TRUE(heap.check().empty());
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

// First fit takes the first block in the list, wherever it is in memory; the remainder keeps its
// position.
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

// Of equal blocks, best and worst fit take the one that is earlier in the list.
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

// The sort is stable: a freed block comes last among equals. The list is sorted when a block is
// freed, not when one is split.
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

// One pass in list order: complete if the list is in address order, and only then.
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
        // The merged block keeps the position of the first one; the list is not sorted again.
        ListCase{{first, size_up, true},
                 {"[0][16][0][16][64]...", "-1 -3 -0", "[.32.][0][.16.][64]..."},
                 "Free(32)->Free(16)->Free(832)"}));

// The remainders in front of an aligned block and behind it keep its position, in this order.
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
        // A tail is freed like any block; a neighbour that is grown into keeps its position.
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
