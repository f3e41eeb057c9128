#include <utility>

#include "heap/scoped_access.hpp"

// Heap: blocks by handle, which knows when its block is gone; and the pins of views.

namespace glassheap {

// --- Handles. ----------------------------------------------------------------------------------

bool Heap::acquire(Size size, Size align, Handle& handle, Fault& fault) noexcept {
  return state_->write(
      fault, [&](HeapState& heap) { return heap.acquire_inside(size, align, handle, fault); });
}

bool HeapState::acquire_inside(Size size, Size align, Handle& handle, Fault& fault) noexcept {
  const Asked asked{size, align};
  if (!addresses.check_align(align, fault)) return false;
  const Block block = allocate(size, align, fault);
  LiveBlock live;
  if (!block || !core->find(addresses.payload_of(block), live, fault)) {
    refuse(fault, 0);
    note_malloc(asked, 0, fault);
    return false;
  }
  handle = {hand_out(block, 0, fault), size, shared.epoch, live.serial};
  note_malloc(asked, handle.address, fault);
  return true;
}

bool Heap::handle_of(Address payload, Handle& handle, Fault& fault) noexcept {
  return state_->read(fault, [&](HeapState& heap) {
    LiveBlock live;
    if (!heap.find(payload, live, fault)) return false;
    handle = {payload, heap.addresses.units().to_caller(live.size), heap.shared.epoch, live.serial};
    return true;
  });
}

bool Heap::handle_around(Address inside, Handle& handle, Fault& fault) noexcept {
  return state_->read(fault, [&](HeapState& heap) {
    LiveBlock live;
    Offset payload = heap.addresses.offset_of(inside);
    bool found = heap.lookup(payload, live, fault);
    if (fault.kind == FaultKind::interior_pointer) {
      payload = std::exchange(fault, {}).owner;
      found = heap.lookup(payload, live, fault);
    }
    if (!found) return heap.refuse(fault, inside);
    const Size size = heap.addresses.units().to_caller(live.size);
    handle = {heap.addresses.address_of(payload), size, heap.shared.epoch, live.serial};
    return true;
  });
}

bool Heap::release(const Handle& handle, Fault& fault) noexcept {
  return state_->write(fault, [&](HeapState& heap) {
    LiveBlock live;
    return heap.find(handle, live, fault) &&
           heap.release(heap.addresses.offset_of(handle.address), fault);
  });
}

bool Heap::is_current(const Handle& handle, Fault& fault) noexcept {
  return state_->read(fault, [&](HeapState& heap) {
    LiveBlock live;
    return heap.find(handle, live, fault);
  });
}

// --- Pins. -------------------------------------------------------------------------------------

namespace {

bool pin_block(HeapState& heap, const LiveBlock& live, Heap::Pinned& pinned) {
  const Offset payload = heap.addresses.payload_of(live.block);
  heap.pin(payload);
  pinned = {payload, heap.addresses.data(payload), live.size};
  return true;
}

}  // namespace

bool Heap::pin(Address payload, Pinned& pinned, Fault& fault) {
  return state_->read(fault, [&](HeapState& heap) {
    LiveBlock live;
    return heap.check_bytes(fault) && heap.find(payload, live, fault) &&
           pin_block(heap, live, pinned);
  });
}

bool Heap::pin(const Handle& handle, Pinned& pinned, Fault& fault) {
  return state_->read(fault, [&](HeapState& heap) {
    LiveBlock live;
    return heap.check_bytes(fault) && heap.find(handle, live, fault) &&
           pin_block(heap, live, pinned);
  });
}

bool Heap::pin_region(Pinned& pinned, Fault& fault) noexcept {
  return state_->read(fault, [&](HeapState& heap) {
    if (!heap.check_bytes(fault)) return false;
    heap.pins.add_region();
    pinned = {whole_region, heap.region.data(), heap.region.size()};
    return true;
  });
}

void Heap::unpin(Offset payload) noexcept { state_->drop_pin(payload); }

void HeapState::drop_pin(Offset payload) noexcept {
  // Pins belong to this process: no other one is kept out.
  const Guard guard(lock, WaitMode::uninterrupted);
  if (!guard) return;  // in a signal handler, where no view ends
  if (payload == Heap::whole_region) {
    pins.drop_region();
  } else {
    unpin(payload);
  }
}

Address Heap::realloc_pinned(Address payload, Size size, Size align, Fault& fault) noexcept {
  return state_->write(fault, [&](HeapState& heap) -> Address {
    const Asked asked{size, align};
    if (!heap.addresses.check_align(align, fault)) return 0;
    const Offset old = heap.addresses.offset_of(payload);
    const bool noted = heap.is_noted(old);
    Block block;
    if (heap.pins.count(old) != 1) {
      fault.kind = heap.kind_of_pin();
    } else {
      block = heap.reallocate(old, size, align, fault);
    }
    if (block) heap.pins.move(old, heap.addresses.payload_of(block));
    return heap.note_realloc(payload, asked, heap.hand_over(old, noted, block, fault), fault);
  });
}

bool Heap::free_pinned(Address payload, Fault& fault) noexcept {
  const Offset offset = state_->addresses.offset_of(payload);
  return state_->give_back_pinned(offset, fault, [&] { state_->note_free(offset); });
}

void Heap::unpin_at(Address payload) noexcept { unpin(state_->addresses.offset_of(payload)); }

// --- After a fork. -----------------------------------------------------------------------------

unsigned Heap::forks() const noexcept { return state_->hooks == nullptr ? 0 : fork_count(); }

bool Heap::allocated_here(Address payload) noexcept {
  if (state_->hooks == nullptr) return true;
  const Guard guard(state_->lock, WaitMode::uninterrupted);
  return guard && state_->core != nullptr &&
         state_->hooks->owns(state_->addresses.offset_of(payload));
}

}  // namespace glassheap
