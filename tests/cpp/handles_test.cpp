// Handles and pins: who holds a block knows when it is gone, and a block that is looked at stays.

#include <gtest/gtest.h>

#include "rig.hpp"

namespace glassheap {
namespace {

class Handles : public EveryPolicy {
 protected:
  Rig rig_{options(1024)};

  Handle acquire(Size size) {
    Handle handle;
    EXPECT_TRUE(rig_.granted([&](Fault& f) { return rig_->acquire(size, 16, handle, f); }));
    return handle;
  }
  bool is_current(const Handle& handle) {
    Fault fault;
    const bool current = rig_->is_current(handle, fault);
    EXPECT_EQ(fault.kind, current ? FaultKind::none : FaultKind::stale_handle);
    return current;
  }
  void release(const Handle& handle) {
    EXPECT_TRUE(rig_.granted([&](Fault& f) { return rig_->release(handle, f); }));
  }
  Fault refused_release(const Handle& handle) {
    return rig_.refused([&](Fault& f) { EXPECT_FALSE(rig_->release(handle, f)); });
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Handles, ::testing::ValuesIn(variants()), by_name);

// Where a block has a serial, and a heap without blocks is as new.
class SerialHandles : public Handles {};
INSTANTIATE_TEST_SUITE_P(Policies, SerialHandles,
                         ::testing::ValuesIn(variants(has_headers, joins_back)), by_name);

TEST_P(Handles, ALiveHandleFreesItsBlockOnce) {
  const Handle handle = acquire(40);
  EXPECT_EQ(handle.size, 40U);
  EXPECT_TRUE(rig_.contains(handle.address));
  EXPECT_TRUE(is_current(handle));
  release(handle);
  EXPECT_FALSE(is_current(handle));
  const Fault fault = refused_release(handle);
  EXPECT_EQ(fault.kind, FaultKind::stale_handle);
  EXPECT_EQ(fault.address, handle.address);
}

// The case that a raw address cannot tell: the same place, handed out again.
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
  rig_.free(freed.address);
  EXPECT_FALSE(is_current(freed));
  const Handle moved = acquire(40);
  rig_.malloc(16);
  EXPECT_NE(rig_.realloc(moved.address, 300), moved.address);
  EXPECT_FALSE(is_current(moved));
}

TEST_P(Handles, AHandleOutlivesNoReset) {
  const Handle old = acquire(40);
  rig_.reset();
  EXPECT_FALSE(is_current(old));
  const Handle now = acquire(40);
  ASSERT_EQ(now.address, old.address);
  EXPECT_FALSE(is_current(old));
  EXPECT_EQ(refused_release(old).kind, FaultKind::stale_handle);
}

// The serial goes on counting over a reset; were it to start again, the epoch must still tell.
TEST_P(SerialHandles, AHandleIsStaleAfterAResetEvenIfItsSerialComesRoundAgain) {
  const Handle old = acquire(40);
  rig_.reset();
  for (int i = 1; i < 65536; ++i) rig_.free(rig_.malloc(40));
  const Handle now = acquire(40);
  ASSERT_EQ(now.address, old.address);
  ASSERT_EQ(now.serial, old.serial);
  EXPECT_FALSE(is_current(old));
}

TEST_P(SerialHandles, OverwrittenHeadersAreDamageNotStaleness) {
  const Handle handle = acquire(40);
  rig_.at(handle.address)[-8] ^= std::byte{0xFF};
  EXPECT_EQ(refused_release(handle).kind, FaultKind::bad_magic);
  EXPECT_EQ(refused_release(handle).kind, FaultKind::heap_damaged);
}

TEST_P(Handles, AnEmptyHandleIsStale) { EXPECT_FALSE(is_current(Handle{})); }

// --- Pins. -------------------------------------------------------------------------------------

class Pins : public Handles {
 protected:
  Heap::Pinned pin(Address payload) {
    Heap::Pinned pinned;
    EXPECT_TRUE(rig_.granted([&](Fault& f) { return rig_->pin(payload, pinned, f); }));
    return pinned;
  }
  void expect_refused(auto call, Address blamed) {
    const Fault fault = rig_.refused(call);
    EXPECT_EQ(fault.kind, FaultKind::pinned);
    EXPECT_EQ(fault.address, blamed);
  }
  void expect_held(Address payload) {
    std::vector<Address> batch = {payload};
    expect_refused([&](Fault& f) { rig_->free(payload, f); }, payload);
    expect_refused([&](Fault& f) { rig_->realloc(payload, 8, 16, f); }, payload);
    expect_refused([&](Fault& f) { rig_->free_many(batch, f); }, payload);
    expect_refused([&](Fault& f) { rig_->reset(f); }, payload);
    expect_refused([&](Fault& f) { rig_->close(f); }, payload);
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Pins, ::testing::ValuesIn(variants()), by_name);

class HeaderPins : public Pins {};
INSTANTIATE_TEST_SUITE_P(Policies, HeaderPins, ::testing::ValuesIn(variants(has_headers)), by_name);

TEST_P(Pins, TellWhereTheBytesAreAndHowManyWereAskedFor) {
  const Address payload = rig_.malloc(41);
  const Heap::Pinned pinned = pin(payload);
  EXPECT_EQ(pinned.data, rig_.at(payload));
  EXPECT_EQ(pinned.size, shown(41));
  EXPECT_EQ(pinned.payload, payload - rig_->base());
}

TEST_P(Pins, HoldABlockUntilUnpinnedAsOften) {
  const Address payload = rig_.malloc(40);
  const Address other = rig_.malloc(40);
  const Heap::Pinned pinned = pin(payload);
  pin(payload);
  expect_held(payload);
  rig_->unpin(pinned.payload);
  expect_held(payload);
  rig_.free(other);
  rig_->unpin(pinned.payload);
  rig_.free(payload);
  rig_.reset();
}

TEST_P(Pins, HoldAHandleToo) {
  const Handle handle = acquire(40);
  Heap::Pinned pinned;
  EXPECT_TRUE(rig_.granted([&](Fault& f) { return rig_->pin(handle, pinned, f); }));
  EXPECT_EQ(pinned.size, shown(40));
  expect_refused([&](Fault& f) { rig_->release(handle, f); }, handle.address);
  rig_->unpin(pinned.payload);
  release(handle);
  const auto again = [&](Fault& f) { EXPECT_FALSE(rig_->pin(handle, pinned, f)); };
  EXPECT_EQ(rig_.refused(again).kind, FaultKind::stale_handle);
}

TEST_P(Pins, OfWhatIsNoBlockAreRefused) {
  const Address payload = rig_.malloc(40);
  Heap::Pinned pinned;
  for (const Address wrong : {payload + 16, payload + 1, payload + 96, rig_->base() + 2000}) {
    const auto call = [&](Fault& f) { EXPECT_FALSE(rig_->pin(wrong, pinned, f)); };
    EXPECT_EQ(rig_.refused(call).kind, rig_.refused_free(wrong).kind);
  }
}

// A look at all the bytes may live on through any change of the heap, but not past its end.
TEST_P(Pins, OfTheRegionHoldTheHeapOpenAndNothingElse) {
  const Address payload = rig_.malloc(40);
  Heap::Pinned pinned;
  EXPECT_TRUE(rig_.granted([&](Fault& f) { return rig_->pin_region(pinned, f); }));
  EXPECT_EQ(pinned.data, rig_.region());
  EXPECT_EQ(pinned.size, 1024U);
  rig_.free(rig_.realloc(payload, 200));
  rig_.reset();
  expect_refused([&](Fault& f) { rig_->close(f); }, 0);
  rig_->unpin(pinned.payload);
  EXPECT_TRUE(rig_.granted([&](Fault& f) { return rig_->close(f); }));
}

TEST_P(Pins, GoAlongWhenTheirOwnerMovesTheBlock) {
  const Address payload = rig_.malloc(40);
  rig_.malloc(40);
  pin(payload);
  const Address moved =
      rig_.granted([&](Fault& f) { return rig_->realloc_pinned(payload, 100, 64, f); });
  EXPECT_NE(moved, payload);
  EXPECT_EQ(moved % 64, rig_->base() % 64);
  EXPECT_FALSE(rig_.contains(payload));
  expect_held(moved);
  EXPECT_TRUE(rig_.granted([&](Fault& f) { return rig_->free_pinned(moved, f); }));
  EXPECT_FALSE(rig_.contains(moved));
  rig_.reset();
}

TEST_P(Pins, StayWhereTheOwnersMoveIsRefused) {
  const Address payload = rig_.malloc(40);
  pin(payload);
  const auto too_much = [&](Fault& f) { EXPECT_EQ(rig_->realloc_pinned(payload, 2000, 16, f), 0); };
  EXPECT_EQ(rig_.refused(too_much).kind, FaultKind::out_of_memory);
  expect_held(payload);
}

TEST_P(Pins, OfOthersOutliveTheOwner) {
  const Address payload = rig_.malloc(40);
  const Heap::Pinned others = pin(payload);
  pin(payload);
  expect_refused([&](Fault& f) { rig_->realloc_pinned(payload, 8, 16, f); }, payload);
  expect_refused([&](Fault& f) { rig_->free_pinned(payload, f); }, payload);
  expect_held(payload);
  rig_->unpin(others.payload);
  rig_.free(payload);
}

// Otherwise nobody could ever reset it.
TEST_P(HeaderPins, OfADamagedHeapAreTakenBack) {
  const Address payload = rig_.malloc(40);
  const Address other = rig_.malloc(40);
  pin(payload);
  rig_.at(other)[-8] ^= std::byte{0xFF};
  EXPECT_EQ(rig_.refused_free(other).kind, FaultKind::bad_magic);
  const Fault fault = rig_.refused([&](Fault& f) { rig_->free_pinned(payload, f); });
  EXPECT_EQ(fault.kind, FaultKind::heap_damaged);
  rig_.reset();
}

TEST_P(Pins, LetOthersGoInABatchOnlyTogether) {
  const Address a = rig_.malloc(40);
  const Address b = rig_.malloc(40);
  const Heap::Pinned pinned = pin(b);
  std::vector<Address> batch = {a, b};
  expect_refused([&](Fault& f) { rig_->free_many(batch, f); }, b);
  EXPECT_TRUE(rig_.contains(a));
  rig_->unpin(pinned.payload);
}

}  // namespace
}  // namespace glassheap
