#include "heap/heap_state.hpp"

// Heap: blocks by handle, which knows when its block is gone; and the pins of views.

namespace glassheap {

// --- Handles. ----------------------------------------------------------------------------------

bool Heap::acquire(Size size, Size align, Handle& handle, Fault& fault) noexcept {
  return state_->write(fault, [&](CoreInterface& core) {
    if (!state_->addresses.check_align(align, fault)) return false;
    const Block block = core.allocate(size, align, fault);
    LiveBlock live;
    if (!block || !core.find(state_->addresses.payload_of(block), live, fault)) {
      state_->complete(fault, 0);
      return false;
    }
    handle = {state_->hand_out(block, 0, fault), size, state_->shared.epoch, live.serial};
    return true;
  });
}

bool Heap::handle_of(Address payload, Handle& handle, Fault& fault) noexcept {
  return state_->read(fault, [&](CoreInterface&) {
    LiveBlock live;
    if (!state_->find(payload, live, fault)) return false;
    handle = {payload, live.size, state_->shared.epoch, live.serial};
    return true;
  });
}

bool Heap::release(const Handle& handle, Fault& fault) noexcept {
  return state_->write(fault, [&](CoreInterface&) {
    LiveBlock live;
    return state_->find(handle, live, fault) &&
           state_->release(state_->addresses.offset_of(handle.address), fault);
  });
}

bool Heap::is_current(const Handle& handle, Fault& fault) noexcept {
  return state_->read(fault, [&](CoreInterface&) {
    LiveBlock live;
    return state_->find(handle, live, fault);
  });
}

// --- Pins. -------------------------------------------------------------------------------------

namespace {

bool pin_block(HeapState& heap, const LiveBlock& live, Heap::Pinned& pinned) {
  const Offset payload = heap.addresses.payload_of(live.block);
  heap.pins.add(payload);
  pinned = {payload, heap.addresses.data(payload), live.size};
  return true;
}

}  // namespace

bool Heap::pin(Address payload, Pinned& pinned, Fault& fault) {
  return state_->read(fault, [&](CoreInterface&) {
    LiveBlock live;
    return state_->find(payload, live, fault) && pin_block(*state_, live, pinned);
  });
}

bool Heap::pin(const Handle& handle, Pinned& pinned, Fault& fault) {
  return state_->read(fault, [&](CoreInterface&) {
    LiveBlock live;
    return state_->find(handle, live, fault) && pin_block(*state_, live, pinned);
  });
}

bool Heap::pin_region(Pinned& pinned, Fault& fault) noexcept {
  return state_->read(fault, [&](CoreInterface&) {
    state_->pins.add_region();
    pinned = {whole_region, state_->region.data(), state_->region.size()};
    return true;
  });
}

void Heap::unpin(Offset payload) noexcept {
  const Guard guard(state_->lock);  // pins belong to this process: no other one is kept out
  if (!guard) return;               // in a signal handler, where no view ends
  if (payload == whole_region) {
    state_->pins.drop_region();
  } else {
    state_->pins.drop(payload);
  }
}

Address Heap::realloc_pinned(Address payload, Size size, Size align, Fault& fault) noexcept {
  return state_->write(fault, [&](CoreInterface& core) -> Address {
    if (!state_->addresses.check_align(align, fault)) return 0;
    const Offset old = state_->addresses.offset_of(payload);
    Block block;
    if (state_->pins.count(old) != 1) {
      fault.kind = FaultKind::pinned;
    } else {
      block = core.reallocate(old, size, align, fault);
    }
    if (block) state_->pins.move(old, state_->addresses.payload_of(block));
    return state_->hand_over(old, block, fault);
  });
}

bool Heap::free_pinned(Address payload, Fault& fault) noexcept {
  const ScopedAccess access(*state_);
  const Offset offset = state_->addresses.offset_of(payload);
  if (access.has_lock()) state_->pins.drop(offset);
  return access.check_writable(fault) && state_->release(offset, fault);
}

}  // namespace glassheap
