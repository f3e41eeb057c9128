// Requests that wait: the line itself, and a heap whose requests stand in it. Nothing sleeps here but
// in the last tests: whose turn it is, a call with a ticket tells.

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>

#include "core/wait_line.hpp"
#include "every_policy.hpp"

namespace glassheap {
namespace {

constexpr Bell silent = 1;  // nobody listens

// --- The line. ---------------------------------------------------------------------------------

constexpr auto all_live = [](Waiter) { return true; };

TEST(WaitLine, IsInOrderOfArrival) {
  WaitLine line;
  EXPECT_FALSE(line.any());
  const Ticket first = line.line_up(1, 0);
  const Ticket second = line.line_up(2, 0);
  EXPECT_TRUE(line.is_first(first));
  EXPECT_FALSE(line.is_first(second));
  line.leave(first, 1);
  line.skip_gone(all_live);
  EXPECT_TRUE(line.is_first(second));
  line.leave(second, 2);
  line.skip_gone(all_live);
  EXPECT_FALSE(line.any());
  EXPECT_EQ(line.waits(), 2U);
}

TEST(WaitLine, CallsTheFirstAlone) {
  WaitLine line;
  const Ticket first = line.line_up(1, 0);
  const Ticket second = line.line_up(1, 0);
  line.call_first();
  EXPECT_EQ(line.place(first).called, 1U);
  EXPECT_EQ(line.place(second).called, 0U);
  line.call_all();
  EXPECT_EQ(line.place(second).called, 1U);
}

TEST(WaitLine, SkipsTheDeadAndTheForgotten) {
  WaitLine line;
  static_cast<void>(line.line_up(1, 0));
  static_cast<void>(line.line_up(2, 0));
  const Ticket third = line.line_up(3, 0);
  line.forget(2);
  line.skip_gone([](Waiter waiter) { return waiter != 1; });
  EXPECT_TRUE(line.is_first(third));
}

TEST(WaitLine, KeepsThePlaceOfWhoWaitsBehindOneThatLeaves) {
  WaitLine line;
  const Ticket first = line.line_up(1, 0);
  const Ticket second = line.line_up(1, 0);
  line.leave(second, 1);
  line.skip_gone(all_live);
  EXPECT_TRUE(line.is_first(first));
  EXPECT_TRUE(line.has(first, 1));
  EXPECT_FALSE(line.has(second, 1));
  EXPECT_FALSE(line.has(first, 2));
  EXPECT_FALSE(line.has(0, 1));
  EXPECT_FALSE(line.has(second + 1, 0));
}

TEST(WaitLine, LeavesNoPlaceOfAnother) {
  WaitLine line;
  const Ticket ticket = line.line_up(1, 0);
  line.leave(ticket, 2);
  line.leave(0, 1);
  line.leave(ticket, 0);
  EXPECT_TRUE(line.has(ticket, 1));
}

TEST(WaitLine, IsFullAtItsEndAndGoesOnInARing) {
  WaitLine line;
  std::vector<Ticket> tickets;
  for (std::size_t i = 0; i < WaitLine::most; ++i) tickets.push_back(line.line_up(1, 0));
  EXPECT_EQ((std::set<Ticket>(tickets.begin(), tickets.end()).size()), WaitLine::most);
  EXPECT_EQ(line.line_up(1, 0), 0U);
  line.leave(tickets[0], 1);
  line.skip_gone(all_live);
  EXPECT_NE(line.line_up(1, 0), 0U);
  EXPECT_EQ(line.line_up(1, 0), 0U);
  EXPECT_TRUE(line.is_first(tickets[1]));
}

TEST(WaitLine, GivesNoTicketTwice) {
  WaitLine line;
  const Ticket before = line.line_up(1, 0);
  line.clear();
  EXPECT_FALSE(line.any());
  EXPECT_FALSE(line.has(before, 1));
  EXPECT_GT(line.line_up(1, 0), before);
}

// Any bytes at all, as another program may leave them in a segment: the line ends up usable.
TEST(WaitLine, SurvivesAnyBytes) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 200; ++trial) {
    alignas(WaitLine) std::array<unsigned, sizeof(WaitLine) / sizeof(unsigned)> bytes{};
    for (unsigned& word : bytes) word = static_cast<unsigned>(random());
    auto& line = *std::bit_cast<WaitLine*>(bytes.data());
    line.skip_gone([](Waiter) { return false; });
    EXPECT_FALSE(line.any());
    const Ticket ticket = line.line_up(1, 0);
    EXPECT_TRUE(line.is_first(ticket));
    line.call_all();
    line.forget(1);
    line.skip_gone(all_live);
    EXPECT_FALSE(line.any());
  }
}

// --- A heap. -----------------------------------------------------------------------------------

class InTurn : public EveryPolicy {
 protected:
  InTurn() : heap_(open()) {
    Fault fault;
    while (const Address payload = heap_->malloc(300, granule_size, fault))
      blocks_.push_back(payload);
  }
  static std::unique_ptr<Heap> open() {
    Fault fault;
    return Heap::open(options(4096), fault);
  }
  // A request with a ticket; 0 if it is not served.
  Address ask(Ticket& ticket, Size size, Bell bell = silent) {
    return heap_->malloc_in_turn(ticket, bell, size, granule_size, fault_ = {});
  }
  void free(Address payload) { EXPECT_TRUE(heap_->free(payload, fault_)) << sentence(fault_); }

  std::unique_ptr<Heap> heap_;
  std::vector<Address> blocks_;
  Fault fault_;
};

TEST_P(InTurn, ServesOneBehindTheOther) {
  Ticket first = 0;
  Ticket second = 0;
  EXPECT_EQ(ask(first, 300), 0U);
  EXPECT_EQ(fault_.kind, FaultKind::out_of_memory);
  EXPECT_EQ(ask(second, 300), 0U);
  EXPECT_NE(first, second);
  free(blocks_[0]);
  EXPECT_EQ(ask(second, 300), 0U) << "it is not the first";
  EXPECT_NE(ask(first, 300), 0U);
  EXPECT_EQ(first, 0U);
  EXPECT_EQ(ask(second, 300), 0U) << "there is no room";
  free(blocks_[2]);
  EXPECT_NE(ask(second, 300), 0U);
  EXPECT_TRUE(heap_->check(fault_).empty());
}

TEST_P(InTurn, LeavesThePlaceToTheNext) {
  Ticket first = 0;
  Ticket second = 0;
  ask(first, 300);
  ask(second, 250);
  free(blocks_[0]);
  heap_->leave_line(first);
  EXPECT_NE(ask(second, 250), 0U);
  Ticket third = 0;
  free(blocks_[2]);
  EXPECT_NE(ask(third, 250), 0U) << "nobody waits any more";
  EXPECT_EQ(third, 0U);
}

TEST_P(InTurn, CountsNoFailureOfWhoWaitsOn) {
  const std::uint64_t failures = heap_->stats(fault_).failures;
  Ticket ticket = 0;
  for (int i = 0; i < 5; ++i) ask(ticket, 250);
  free(blocks_[0]);
  EXPECT_NE(ask(ticket, 250), 0U);
  const Stats stats = heap_->stats(fault_);
  EXPECT_EQ(stats.failures, failures);
  EXPECT_EQ(stats.waits, 1U);
  EXPECT_GT(stats.waited, 0U);
}

TEST_P(InTurn, LinesUpWithABellAlone) {
  Ticket ticket = 0;
  EXPECT_EQ(ask(ticket, 250, 0), 0U);
  EXPECT_EQ(ticket, 0U);
  EXPECT_EQ(heap_->stats(fault_).waits, 0U);
}

TEST_P(InTurn, RefusesWhatNeverFitsOnlyInTime) {
  EXPECT_EQ(heap_->malloc_within(0.02, 1 << 20, granule_size, fault_), 0U);
  EXPECT_EQ(fault_.kind, FaultKind::out_of_memory);
  EXPECT_EQ(fault_.argument, 1U << 20);
  EXPECT_EQ(heap_->malloc_within(60, 16, 3, fault_), 0U);
  EXPECT_EQ(fault_.kind, FaultKind::invalid_alignment) << "this does not wait";
}

TEST_P(InTurn, AThreadIsWokenByAFree) {
  Address got = 0;
  {
    const std::jthread waiter([&] {
      Fault fault;
      got = heap_->malloc_within(60, 250, granule_size, fault);
    });
    while (heap_->stats(fault_).waits == 0) std::this_thread::yield();
    free(blocks_[0]);
  }
  EXPECT_NE(got, 0U);
  Handle handle;
  free(blocks_[2]);
  EXPECT_TRUE(heap_->acquire_within(60, 250, granule_size, handle, fault_));
  EXPECT_TRUE(heap_->is_current(handle, fault_));
}

// Behind a line that has ended, frees and mallocs are as fast as before: they take the plain way, and
// the blocks stay in the caches.
TEST_P(InTurn, TheHeapIsAsBefore) {
  Ticket ticket = 0;
  ask(ticket, 250);
  heap_->leave_line(ticket);
  free(blocks_[0]);
  const Address again = heap_->malloc(300, granule_size, fault_);
  EXPECT_NE(again, 0U);
  EXPECT_TRUE(heap_->check(fault_).empty());
  EXPECT_TRUE(heap_->reset(fault_));
  EXPECT_EQ(heap_->live_blocks(fault_), 0U);
}

std::vector<Variant> every_kind() {
  std::vector<Variant> all = all_variants();
  for (std::vector<Variant> some : {debug_variants(), cached_variants()})
    all.insert(all.end(), some.begin(), some.end());
  return all;
}
INSTANTIATE_TEST_SUITE_P(Kinds, InTurn, ::testing::ValuesIn(every_kind()), by_name);

}  // namespace
}  // namespace glassheap
