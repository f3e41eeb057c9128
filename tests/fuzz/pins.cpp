// pins.cpp: the calls of a CheckedHeap on handles and pins, and its questions about pointers.

#include "checked_heap.hpp"

namespace glassheap::fuzzing {
namespace {

// A question about a pinned block is answered like one about any live block.
FaultKind ignoring_pins(FaultKind expected) {
  return expected == FaultKind::pinned ? FaultKind::none : expected;
}

}  // namespace

std::optional<HeldHandle> CheckedHeap::acquire(Size size, Size align) {
  const HeapView before = view();
  Handle handle;
  const FaultKind expected = oracle_.fault_of_request(before, size, align);
  const bool served = change(before, expected, [&](Fault& fault) {
    if (!heap_->acquire(size, align, handle, fault)) return false;
    on_allocate(handle.address, size);
    return true;
  });
  if (!served) return std::nullopt;
  require(handle.size == size, "a handle has the requested size");
  return HeldHandle{handle, oracle_.live.at(handle.address).id};
}

// A handle is current as long as its block is live, and is the block that it was made for. Without
// headers a block cannot be distinguished from a later one at the same address.
FaultKind CheckedHeap::fault_of_handle(const HeldHandle& held) const {
  const auto allocation = oracle_.live.find(held.handle.address);
  if (allocation == oracle_.live.end() || held.handle.epoch != epoch_)
    return FaultKind::stale_handle;
  return oracle_.front() == 0 || allocation->second.id == held.id ? FaultKind::none
                                                                  : FaultKind::stale_handle;
}

// An old header, written back where it was, makes its handle current again.
FaultKind CheckedHeap::or_forged(const HeldHandle& held, FaultKind expected) const {
  if (!overwritten_) return expected;
  if (expected == FaultKind::none) return FaultKind::stale_handle;
  return oracle_.live.contains(held.handle.address) ? FaultKind::none : expected;
}

void CheckedHeap::release(const HeldHandle& held) {
  const HeapView before = view();
  FaultKind expected = fault_of_handle(held);
  if (expected == FaultKind::none && oracle_.live.at(held.handle.address).pins != 0)
    expected = FaultKind::pinned;
  change(before, expected, or_forged(held, expected), [&](Fault& fault) {
    if (!heap_->release(held.handle, fault)) return false;
    on_free(held.handle.address);
    return true;
  });
}

void CheckedHeap::pin(Address payload) {
  const HeapView before = view();
  const FaultKind expected = ignoring_pins(oracle_.fault_of_pointer(before, payload));
  Heap::Pinned pinned;
  if (ask(expected, or_double_free(before, expected, payload),
          [&](Fault& fault) { return heap_->pin(payload, pinned, fault); }))
    on_pin(payload, pinned);
}

void CheckedHeap::pin(const HeldHandle& held) {
  const FaultKind expected = fault_of_handle(held);
  Heap::Pinned pinned;
  if (ask(expected, or_forged(held, expected),
          [&](Fault& fault) { return heap_->pin(held.handle, pinned, fault); }))
    on_pin(held.handle.address, pinned);
}

void CheckedHeap::on_pin(Address payload, const Heap::Pinned& pinned) {
  require(oracle_.live.contains(payload), "only a live block is pinned");
  Allocation& allocation = oracle_.live.at(payload);
  ++allocation.pins;
  require(pinned.data == bytes(payload), "a pin has the address of the bytes");
  require(overwritten_ || pinned.size == oracle_.reported(allocation.size),
          "a pin has the size of the block");
}

void CheckedHeap::unpin_lowest() {
  for (auto& [payload, allocation] : oracle_.live) {
    if (allocation.pins == 0) continue;
    --allocation.pins;
    heap_->unpin(payload - oracle_.origin());
    return;
  }
}

void CheckedHeap::query(Address payload) {
  const HeapView before = view();
  const FaultKind expected = ignoring_pins(oracle_.fault_of_pointer(before, payload));
  const bool is_live = expected == FaultKind::none;
  const bool contained = observe([&](Fault& fault) { return heap_->contains(payload, fault); });
  require(contained == is_live || overwritten_, "a heap contains its live blocks and nothing else");
  Size usable = 0;
  const bool known = ask(expected, or_double_free(before, expected, payload), [&](Fault& fault) {
    usable = heap_->usable_size(payload, fault);
    return !fault;
  });
  if (known)
    require(overwritten_ || usable == oracle_.usable(oracle_.live.at(payload)),
            "the usable size is that of the block");
}

void CheckedHeap::query(const HeldHandle& held) {
  const FaultKind expected = fault_of_handle(held);
  ask(expected, or_forged(held, expected),
      [&](Fault& fault) { return heap_->is_current(held.handle, fault); });
}

}  // namespace glassheap::fuzzing
