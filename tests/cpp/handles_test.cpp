// Handles and pins: a handle is stale once its block is gone, and a pinned block is not freed. The
// model has when a handle is stale, and which calls a pin refuses. Here are serials that recur, and
// the pins of regions and owners.

#include <gtest/gtest.h>

#include "damaged_heap.hpp"
#include "heap_fixture.hpp"

namespace glassheap {
namespace {

// For layouts with serials, and policies whose heap is as new once every block is freed.
class SerialHandles : public EveryPolicy {
 protected:
  CheckedHeap heap_{options(1024)};
};
GLASSHEAP_FOR_EVERY(SerialHandles, has_headers, coalesces_fully);

// The serial counts on over a reset; but when the same serial recurs, the epoch must still differ.
TEST_P(SerialHandles, AreStaleAfterAResetEvenIfTheirSerialRecurs) {
  const HeldHandle old = heap_.acquire(40, 16).value();
  heap_.reset();
  for (int i = 1; i < 65536; ++i) heap_.free(heap_.malloc(40));
  const HeldHandle now = heap_.acquire(40, 16).value();
  ASSERT_EQ(now.handle.address, old.handle.address);
  ASSERT_EQ(now.handle.serial, old.handle.serial);
  for (const HeldHandle& stale : {old, HeldHandle{}}) {
    heap_.release(stale);
    EXPECT_EQ(heap_.fault().kind, FaultKind::stale_handle);
  }
}

TEST_P(SerialHandles, OverwrittenHeadersAreDamageNotStaleness) {
  const HeldHandle held = heap_.acquire(40, 16).value();
  flip_byte(heap_, held.handle.address - 8);
  heap_.release(held);
  EXPECT_EQ(heap_.fault().kind, FaultKind::bad_magic);
}

// --- Pins. -------------------------------------------------------------------------------------

class Pins : public EveryPolicy {
 protected:
  HeapFixture heap_{options(1024)};

  Heap::Pinned pin(Address payload) {
    Heap::Pinned pinned;
    EXPECT_TRUE(heap_.granted([&](Fault& f) { return heap_->pin(payload, pinned, f); }));
    return pinned;
  }
  void expect_refused(auto call, Address blamed) {
    const Fault fault = heap_.refused(call);
    EXPECT_EQ(fault.kind, FaultKind::pinned);
    EXPECT_EQ(fault.address, blamed);
  }
  void expect_pinned(Address payload) {
    std::vector<Address> batch = {payload};
    expect_refused([&](Fault& f) { return heap_->free(payload, f); }, payload);
    expect_refused([&](Fault& f) { return heap_->realloc(payload, 8, 16, f); }, payload);
    expect_refused([&](Fault& f) { return heap_->free_many(batch, f); }, payload);
    expect_refused([&](Fault& f) { return heap_->reset(f); }, payload);
    expect_refused([&](Fault& f) { return heap_->close(f); }, payload);
  }
};
GLASSHEAP_FOR_EVERY(Pins);

class HeaderPins : public Pins {};
GLASSHEAP_FOR_EVERY(HeaderPins, has_headers);

// A view of the whole region allows any change of the heap, but not close().
TEST_P(Pins, OfTheRegionHoldTheHeapOpenAndNothingElse) {
  const Address payload = heap_.malloc(40);
  Heap::Pinned pinned;
  EXPECT_TRUE(heap_.granted([&](Fault& f) { return heap_->pin_region(pinned, f); }));
  EXPECT_EQ(pinned.data, heap_.region());
  EXPECT_EQ(pinned.size, 1024U);
  heap_.free(heap_.realloc(payload, 200));
  heap_.reset();
  expect_refused([&](Fault& f) { return heap_->close(f); }, 0);
  heap_->unpin(pinned.payload);
  heap_.close();
}

TEST_P(Pins, MoveWithTheBlockWhenTheirOwnerReallocates) {
  const Address payload = heap_.malloc(40);
  heap_.malloc(40);
  pin(payload);
  const Address moved =
      heap_.granted([&](Fault& f) { return heap_->realloc_pinned(payload, 100, 64, f); });
  EXPECT_NE(moved, payload);
  EXPECT_EQ(moved % 64, heap_->base() % 64);
  EXPECT_FALSE(heap_.contains(payload));
  expect_pinned(moved);
  EXPECT_TRUE(heap_.granted([&](Fault& f) { return heap_->free_pinned(moved, f); }));
  EXPECT_FALSE(heap_.contains(moved));
  heap_.reset();
}

TEST_P(Pins, StayIfTheOwnersReallocIsRefused) {
  const Address payload = heap_.malloc(40);
  pin(payload);
  const auto realloc = [&](Size align) {
    return heap_.refused([&](Fault& f) { return heap_->realloc_pinned(payload, 2000, align, f); });
  };
  EXPECT_EQ(realloc(16).kind, FaultKind::out_of_memory);
  EXPECT_EQ(realloc(24).kind, FaultKind::invalid_alignment);
  expect_pinned(payload);
}

TEST_P(Pins, OfOthersOutliveTheOwner) {
  const Address payload = heap_.malloc(40);
  const Heap::Pinned others = pin(payload);
  pin(payload);
  expect_refused([&](Fault& f) { return heap_->realloc_pinned(payload, 8, 16, f); }, payload);
  expect_refused([&](Fault& f) { return heap_->free_pinned(payload, f); }, payload);
  expect_pinned(payload);
  heap_->unpin(others.payload);
  heap_.free(payload);
}

// Otherwise the heap could never be reset.
TEST_P(HeaderPins, OfADamagedHeapAreDropped) {
  const Address payload = heap_.malloc(40);
  const Address other = heap_.malloc(40);
  pin(payload);
  heap_.at(other)[-8] ^= std::byte{0xFF};
  const auto free = [&](Fault& f) { return heap_->free(other, f); };
  EXPECT_EQ(heap_.refused(free).kind, FaultKind::bad_magic);
  const auto free_pinned = [&](Fault& f) { return heap_->free_pinned(payload, f); };
  EXPECT_EQ(heap_.refused(free_pinned).kind, FaultKind::heap_damaged);
  heap_.reset();
}

}  // namespace
}  // namespace glassheap
