// Handles and pins: a handle is stale once its block is gone, and a pinned block is not freed.

#include <gtest/gtest.h>

#include "heap_fixture.hpp"

namespace glassheap {
namespace {

class Handles : public EveryPolicy {
 protected:
  HeapFixture heap_{options(1024)};

  Handle acquire(Size size) {
    Handle handle;
    EXPECT_TRUE(heap_.granted([&](Fault& f) { return heap_->acquire(size, 16, handle, f); }));
    return handle;
  }
  bool is_current(const Handle& handle) {
    Fault fault;
    const bool current = heap_->is_current(handle, fault);
    EXPECT_EQ(fault.kind, current ? FaultKind::none : FaultKind::stale_handle);
    return current;
  }
  void release(const Handle& handle) {
    EXPECT_TRUE(heap_.granted([&](Fault& f) { return heap_->release(handle, f); }));
  }
  Fault refused_release(const Handle& handle) {
    return heap_.refused([&](Fault& f) { EXPECT_FALSE(heap_->release(handle, f)); });
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Handles, ::testing::ValuesIn(variants()), by_name);

// For layouts with serials, and policies whose heap is as new once every block is freed.
class SerialHandles : public Handles {};
INSTANTIATE_TEST_SUITE_P(Policies, SerialHandles,
                         ::testing::ValuesIn(variants(has_headers, coalesces_fully)), by_name);

TEST_P(Handles, ALiveHandleFreesItsBlockOnce) {
  const Handle handle = acquire(40);
  EXPECT_EQ(handle.size, 40U);
  EXPECT_TRUE(heap_.contains(handle.address));
  EXPECT_TRUE(is_current(handle));
  release(handle);
  EXPECT_FALSE(is_current(handle));
  const Fault fault = refused_release(handle);
  EXPECT_EQ(fault.kind, FaultKind::stale_handle);
  EXPECT_EQ(fault.address, handle.address);
}

// The case that a raw address cannot detect: the same address, allocated again.
TEST_P(SerialHandles, AHandleIsStaleWhenItsAddressIsHandedOutAgain) {
  const Handle old = acquire(40);
  release(old);
  const Handle now = acquire(40);
  ASSERT_EQ(now.address, old.address);
  EXPECT_FALSE(is_current(old));
  EXPECT_EQ(refused_release(old).kind, FaultKind::stale_handle);
  EXPECT_TRUE(is_current(now));
  release(now);
}

TEST_P(Handles, AHandleIsStaleAfterARawFreeOrAMove) {
  const Handle freed = acquire(40);
  heap_.free(freed.address);
  EXPECT_FALSE(is_current(freed));
  const Handle moved = acquire(40);
  heap_.malloc(16);
  EXPECT_NE(heap_.realloc(moved.address, 300), moved.address);
  EXPECT_FALSE(is_current(moved));
}

TEST_P(Handles, AHandleOutlivesNoReset) {
  const Handle old = acquire(40);
  heap_.reset();
  EXPECT_FALSE(is_current(old));
  const Handle now = acquire(40);
  ASSERT_EQ(now.address, old.address);
  EXPECT_FALSE(is_current(old));
  EXPECT_EQ(refused_release(old).kind, FaultKind::stale_handle);
}

// The serial counts on over a reset; but when the same serial recurs, the epoch must still differ.
TEST_P(SerialHandles, AHandleIsStaleAfterAResetEvenIfItsSerialRecurs) {
  const Handle old = acquire(40);
  heap_.reset();
  for (int i = 1; i < 65536; ++i) heap_.free(heap_.malloc(40));
  const Handle now = acquire(40);
  ASSERT_EQ(now.address, old.address);
  ASSERT_EQ(now.serial, old.serial);
  EXPECT_FALSE(is_current(old));
}

TEST_P(SerialHandles, OverwrittenHeadersAreDamageNotStaleness) {
  const Handle handle = acquire(40);
  heap_.at(handle.address)[-8] ^= std::byte{0xFF};
  EXPECT_EQ(refused_release(handle).kind, FaultKind::bad_magic);
  EXPECT_EQ(refused_release(handle).kind, FaultKind::heap_damaged);
}

TEST_P(Handles, AnEmptyHandleIsStale) { EXPECT_FALSE(is_current(Handle{})); }

// --- Pins. -------------------------------------------------------------------------------------

class Pins : public Handles {
 protected:
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
    expect_refused([&](Fault& f) { heap_->free(payload, f); }, payload);
    expect_refused([&](Fault& f) { heap_->realloc(payload, 8, 16, f); }, payload);
    expect_refused([&](Fault& f) { heap_->free_many(batch, f); }, payload);
    expect_refused([&](Fault& f) { heap_->reset(f); }, payload);
    expect_refused([&](Fault& f) { heap_->close(f); }, payload);
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Pins, ::testing::ValuesIn(variants()), by_name);

class HeaderPins : public Pins {};
INSTANTIATE_TEST_SUITE_P(Policies, HeaderPins, ::testing::ValuesIn(variants(has_headers)), by_name);

TEST_P(Pins, ReportTheBytesAndTheRequestedSize) {
  const Address payload = heap_.malloc(41);
  const Heap::Pinned pinned = pin(payload);
  EXPECT_EQ(pinned.data, heap_.at(payload));
  EXPECT_EQ(pinned.size, reported(41));
  EXPECT_EQ(pinned.payload, payload - heap_->base());
}

TEST_P(Pins, HoldABlockUntilUnpinnedAsOftenAsPinned) {
  const Address payload = heap_.malloc(40);
  const Address other = heap_.malloc(40);
  const Heap::Pinned pinned = pin(payload);
  pin(payload);
  expect_pinned(payload);
  heap_->unpin(pinned.payload);
  expect_pinned(payload);
  heap_.free(other);
  heap_->unpin(pinned.payload);
  heap_.free(payload);
  heap_.reset();
}

TEST_P(Pins, HoldAHandleToo) {
  const Handle handle = acquire(40);
  Heap::Pinned pinned;
  EXPECT_TRUE(heap_.granted([&](Fault& f) { return heap_->pin(handle, pinned, f); }));
  EXPECT_EQ(pinned.size, reported(40));
  expect_refused([&](Fault& f) { heap_->release(handle, f); }, handle.address);
  heap_->unpin(pinned.payload);
  release(handle);
  const auto again = [&](Fault& f) { EXPECT_FALSE(heap_->pin(handle, pinned, f)); };
  EXPECT_EQ(heap_.refused(again).kind, FaultKind::stale_handle);
}

TEST_P(Pins, OfNonBlocksAreRefused) {
  const Address payload = heap_.malloc(40);
  Heap::Pinned pinned;
  for (const Address wrong : {payload + 16, payload + 1, payload + 96, heap_->base() + 2000}) {
    const auto call = [&](Fault& f) { EXPECT_FALSE(heap_->pin(wrong, pinned, f)); };
    EXPECT_EQ(heap_.refused(call).kind, heap_.refused_free(wrong).kind);
  }
}

// A view of the whole region allows any change of the heap, but not close().
TEST_P(Pins, OfTheRegionHoldTheHeapOpenAndNothingElse) {
  const Address payload = heap_.malloc(40);
  Heap::Pinned pinned;
  EXPECT_TRUE(heap_.granted([&](Fault& f) { return heap_->pin_region(pinned, f); }));
  EXPECT_EQ(pinned.data, heap_.region());
  EXPECT_EQ(pinned.size, 1024U);
  heap_.free(heap_.realloc(payload, 200));
  heap_.reset();
  expect_refused([&](Fault& f) { heap_->close(f); }, 0);
  heap_->unpin(pinned.payload);
  EXPECT_TRUE(heap_.granted([&](Fault& f) { return heap_->close(f); }));
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
  const auto too_much = [&](Fault& f) {
    EXPECT_EQ(heap_->realloc_pinned(payload, 2000, 16, f), 0);
  };
  EXPECT_EQ(heap_.refused(too_much).kind, FaultKind::out_of_memory);
  expect_pinned(payload);
}

TEST_P(Pins, OfOthersOutliveTheOwner) {
  const Address payload = heap_.malloc(40);
  const Heap::Pinned others = pin(payload);
  pin(payload);
  expect_refused([&](Fault& f) { heap_->realloc_pinned(payload, 8, 16, f); }, payload);
  expect_refused([&](Fault& f) { heap_->free_pinned(payload, f); }, payload);
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
  EXPECT_EQ(heap_.refused_free(other).kind, FaultKind::bad_magic);
  const Fault fault = heap_.refused([&](Fault& f) { heap_->free_pinned(payload, f); });
  EXPECT_EQ(fault.kind, FaultKind::heap_damaged);
  heap_.reset();
}

TEST_P(Pins, OfOneBlockRefuseTheWholeBatch) {
  const Address a = heap_.malloc(40);
  const Address b = heap_.malloc(40);
  const Heap::Pinned pinned = pin(b);
  std::vector<Address> batch = {a, b};
  expect_refused([&](Fault& f) { heap_->free_many(batch, f); }, b);
  EXPECT_TRUE(heap_.contains(a));
  heap_->unpin(pinned.payload);
}

}  // namespace
}  // namespace glassheap
