// Handles and pins: a handle is stale once its block is gone, and a pinned block is not freed. The
// model has when a handle is stale, and which calls a pin refuses. Here are serials that recur, and
// the pins of regions and owners.

#include <gtest/gtest.h>

#include "damaged_heap.hpp"
#include "every_policy.hpp"

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
  CheckedHeap heap_{options(1024)};
  Address payload_ = heap_.malloc(40);
};
GLASSHEAP_FOR_EVERY(Pins);

// A view of the whole region allows any change of the heap, but not close().
TEST_P(Pins, OfTheRegionHoldTheHeapOpenAndNothingElse) {
  Heap::Pinned pinned;
  Fault fault;
  EXPECT_TRUE(heap_->pin_region(pinned, fault));
  EXPECT_EQ(pinned.data, heap_.at(heap_->base()));
  EXPECT_EQ(pinned.size, 1024U);
  heap_.free(heap_.realloc(payload_, 200));
  heap_.reset();
  EXPECT_FALSE(heap_->close(fault));
  EXPECT_EQ(fault.kind, FaultKind::pinned);
  EXPECT_EQ(fault.address, 0U);
  heap_->unpin(pinned.payload);
  heap_.close();
}

TEST_P(Pins, MoveWithTheBlockWhenTheirOwnerReallocates) {
  heap_.malloc(40);
  heap_.pin(payload_);
  const Address moved = heap_.realloc_pinned(payload_, 100, 64);
  EXPECT_NE(moved, payload_);
  for (const Address refused : {moved, payload_}) heap_.free(refused);
  heap_.reset();
  EXPECT_TRUE(heap_.model().any_pinned());
  heap_.free_pinned(moved);
  heap_.reset();
}

TEST_P(Pins, StayIfTheOwnersReallocIsRefused) {
  heap_.pin(payload_);
  EXPECT_EQ(heap_.realloc_pinned(payload_, 2000), 0U);
  EXPECT_EQ(heap_.realloc_pinned(payload_, 2000, 24), 0U);
  heap_.free(payload_);
  EXPECT_EQ(heap_.fault().kind, FaultKind::pinned);
}

TEST_P(Pins, OfOthersOutliveTheOwner) {
  heap_.pin(payload_);
  heap_.pin(payload_);
  EXPECT_EQ(heap_.realloc_pinned(payload_, 8), 0U);
  heap_.free_pinned(payload_);
  EXPECT_EQ(heap_.fault().kind, FaultKind::pinned);
  heap_.free(payload_);
  heap_.unpin_lowest();
  heap_.free(payload_);
  EXPECT_FALSE(heap_.fault());
}

// Otherwise the heap could never be reset.
TEST_P(Pins, OfADamagedHeapAreDropped) {
  heap_.pin(payload_);
  flip_byte(heap_, heap_.view().blocks.back().start);
  heap_.inspect();
  heap_.free_pinned(payload_);
  EXPECT_EQ(heap_.fault().kind, FaultKind::heap_damaged);
  heap_.reset();
}

}  // namespace
}  // namespace glassheap
