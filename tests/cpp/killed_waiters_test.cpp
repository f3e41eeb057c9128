// A process is killed between any two stores while it lines up for memory, tries in its turn, or
// leaves. The next process is served, and nothing is lost.

#include "crash_injection.hpp"

namespace glassheap {
namespace {

constexpr std::uint64_t silent = 1;  // the number of a bell to which nobody listens

TEST(KilledWaiter, HoldsUpNobody) {
  const SharedBytes bytes;
  const std::unique_ptr<SharedHeap> heap = open_in(bytes, Options());
  Fault fault;
  const Size all = heap->largest_free(fault);
  Address full = heap->malloc(all, granule_size, fault);
  bool died = true;
  for (std::uint64_t store = 1; died; ++store) {
    SCOPED_TRACE("store " + std::to_string(store));
    ASSERT_LT(store, 3000U);
    died = killed_in_child([&] {
      std::uint64_t ticket = 0;
      stores_left = store;
      heap->malloc_in_turn(ticket, silent, 2 * all, granule_size, fault);
      heap->malloc_in_turn(ticket, silent, 2 * all, granule_size, fault);
      heap->leave_line(ticket);
    });
    std::uint64_t ticket = 0;
    ASSERT_EQ(heap->malloc_in_turn(ticket, silent, all, granule_size, fault = {}), 0U);
    ASSERT_NE(ticket, 0U);
    ASSERT_TRUE(heap->free(full, fault = {})) << sentence(fault);
    full = heap->malloc_in_turn(ticket, silent, all, granule_size, fault = {});
    ASSERT_NE(full, 0U) << sentence(fault);
    ASSERT_TRUE(heap->check(fault).empty());
  }
  EXPECT_EQ(heap->live_blocks(fault), 1U);
}

}  // namespace
}  // namespace glassheap
