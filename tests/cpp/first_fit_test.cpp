// First fit, case by case (cases.hpp).

#include "policy/first_fit.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"

namespace glassheap {
namespace {

class FirstFitCases : public PlacementCases {};

TEST_P(FirstFitCases, EndAsDrawn) { expect_outcome(of("first_fit"), GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Placement, FirstFitCases,
    ::testing::Values(
        // The lowest block that fits, neither the smallest nor the largest.
        Case{"...", "+100", "[100]..."},                                                      //
        Case{"[.48.][16]...", "+40", "[40][16]..."},                                          //
        Case{"[.48.][16][.32.][16]...", "+32", "[32][.0.][16][.32.][16]..."},                 //
        Case{"[.16.][1][.96.][1][.32.][1]...", "+32", "[.16.][1][32][.48.][1][.32.][1]..."},  //
        Case{"[.16.][1][.96.][1]...", "+97", "[.16.][1][.96.][1][97]..."},                    //
        Case{"[.16.][1][.96.][1]...", "+0", "[0][.0.][1][.96.][1]..."},                       //
        Case{"[.0.][1][.0.][1]...", "+0", "[0][1][.0.][1]..."},                               //
        Case{"[.0.][1]...", "+1", "[.0.][1][1]..."},                                          //
        Case{"[.48.][16]...", "+33", "[33][16]..."},                                          //
        Case{"[.48.][16]...", "+32", "[32][.0.][16]..."},                                     //
        Case{"...", "+1008", "[1008]"}));

INSTANTIATE_TEST_SUITE_P(
    Coalescing, FirstFitCases,
    ::testing::Values(Case{"[16][16][16]...", "-1", "[16][.16.][16]..."},        //
                      Case{"[.16.][16][16]...", "-1", "[.48.][16]..."},          //
                      Case{"[16][16][.16.][16]...", "-1", "[16][.48.][16]..."},  //
                      Case{"[.16.][16][.16.][16]...", "-1", "[.80.][16]..."},    //
                      Case{"[.0.][0][.0.][0]...", "-1", "[.32.][0]..."},         //
                      Case{"[16][16]...", "-1", "[16]..."},                      //
                      Case{"[16]...", "-0", "..."},                              //
                      Case{"[.16.][16]...", "-1", "..."},                        //
                      Case{"[1008]", "-0", "..."}));

INSTANTIATE_TEST_SUITE_P(
    Resizing, FirstFitCases,
    ::testing::Values(Case{"[100][16]...", "0=50", "[50][.32.][16]..."},               //
                      Case{"[100][.16.][16]...", "0=50", "[50][.64.][16]..."},         //
                      Case{"[100][16]...", "0=97", "[97][16]..."},                     //
                      Case{"[100][.16.][16]...", "0=128", "[128][.0.][16]..."},        //
                      Case{"[100][.16.][16]...", "0=144", "[144][16]..."},             //
                      Case{"[100][.16.][16]...", "0=145", "[.144.][16][145]..."},      //
                      Case{"[.64.][16][16][16]...", "2=60", "[60][16][.16.][16]..."},  //
                      Case{"[.64.][16][16]...", "1=60", "[60][.16.][16]..."},          //
                      Case{"[16]...", "0=1008", "[1008]"}));

INSTANTIATE_TEST_SUITE_P(
    Aligning, FirstFitCases,
    ::testing::Values(Case{"...", "+40@64", "[.32.][40]..."},                      //
                      Case{"...", "+40@32", "[.0.][40]..."},                       //
                      Case{"[32]...", "+40@64", "[32][40]..."},                    //
                      Case{"[.96.][16]...", "+16@64", "[.32.][16][.16.][16]..."},  //
                      Case{"[.64.][16]...", "+16@64", "[.32.][16][16]..."},        //
                      Case{"[.64.][16]...", "+17@64", "[.64.][16][17]..."},        //
                      Case{"[.32.][16]...", "+16@64", "[.32.][16][.16.][16]..."}));

TEST(FirstFitList, RunsThroughTheFreeBlocksInAddressOrder) {
  HeapFixture heap(sized(1024));
  arrange(heap, "[.16.][1][.96.][1][.32.][1]...");
  const auto list = heap.free_list();
  ASSERT_EQ(list.size(), 4U);
  std::uint32_t prev = GLASSHEAP_NIL;
  for (std::size_t i = 0; i < list.size(); ++i) {
    node_t node;
    std::memcpy(&node, heap.at(list[i].address), sizeof node);
    EXPECT_EQ(node.size, list[i].size);
    EXPECT_EQ(node.prev, prev);
    prev = static_cast<std::uint32_t>((list[i].address - heap->base()) / 16);
    const bool last = i + 1 == list.size();
    EXPECT_EQ(node.next, last ? GLASSHEAP_NIL : (list[i + 1].address - heap->base()) / 16);
  }
  EXPECT_EQ(heap.granted([&](Fault& f) { return heap->free_list_line(f); }),
            "Free(16)->Free(96)->Free(32)->Free(720)");
}

}  // namespace
}  // namespace glassheap
