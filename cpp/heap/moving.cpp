#include <algorithm>
#include <utility>

#include "heap/scoped_access.hpp"

// Heap::realloc with a move: a block of an offset heap gets another place, and the caller copies its
// bytes. Both blocks are pinned meanwhile: nobody in this process can free one of them, or reset or
// close the heap.
//
// A recording has one realloc, at the end: until then no other block can get either place.

namespace glassheap {
namespace {

// Bytes that are to be copied, at the caller's addresses.
struct Transfer {
  Address from = 0;
  Address to = 0;
  Size size = 0;
};

// A pin that is dropped, unless it is kept.
class TemporaryPin {
 public:
  // Throws std::bad_alloc.
  TemporaryPin(HeapState& heap, Offset payload) : heap_(heap), payload_(payload) {
    heap.pin(payload);
  }
  ~TemporaryPin() {
    if (!kept_) heap_.unpin(payload_);
  }
  TemporaryPin(const TemporaryPin&) = delete;
  TemporaryPin& operator=(const TemporaryPin&) = delete;

  void keep() noexcept { kept_ = true; }

 private:
  HeapState& heap_;
  Offset payload_;
  bool kept_ = false;
};

// Allocates a block, and pins it. Throws std::bad_alloc, and changes nothing.
Block allocate_pinned(HeapState& heap, Size size, Size align, Fault& fault) {
  const Block block = heap.allocate(size, align, fault);
  if (!block) return block;
  const Offset payload = heap.addresses.payload_of(block);
  try {
    heap.pin(payload);
  } catch (...) {
    Fault ignored;
    heap.core->release(payload, ignored);
    throw;
  }
  return block;
}

// Allocates the block for a live one to move to, and pins both. Returns false, and changes nothing,
// if there is no room. Throws std::bad_alloc, and changes nothing.
bool begin(HeapState& heap, const LiveBlock& old, Size size, Size align, Transfer& transfer,
           Fault& fault) {
  const Address from = heap.addresses.payload_address(old.block);
  const Offset payload = heap.addresses.payload_of(old.block);
  if (!heap.check_unpinned(payload, fault)) return heap.refuse(fault, from);
  TemporaryPin pin(heap, payload);
  const Block now = allocate_pinned(heap, size, align, fault);
  if (!now) return heap.refuse(fault, from);
  pin.keep();
  heap.note_moved(payload, heap.is_noted(payload), heap.addresses.payload_of(now));
  const Size held = heap.addresses.units().to_caller(old.size);
  transfer = {from, heap.addresses.payload_address(now), std::min(size, held)};
  return true;
}

// Frees the new block, which no recording has.
void take_back(HeapState& heap, Address to, Fault& fault) noexcept {
  heap.give_back_pinned(heap.addresses.offset_of(to), fault, [] {});
}

}  // namespace

Address Heap::realloc(Address payload, Size size, Size align, const Move& move, Fault& fault) {
  const Address now = realloc(payload, size, align, fault);
  if (fault.kind != FaultKind::must_move) return now;
  const Fault seen = std::exchange(fault, {});
  Transfer transfer;
  const Asked asked{size, align};
  const bool begun = state_->write(fault, [&](HeapState& heap) {
    heap.refusals.take_back(seen);
    LiveBlock old;
    if (heap.find(payload, old, fault) && heap.addresses.check_align(align, fault) &&
        begin(heap, old, size, align, transfer, fault))
      return true;
    heap.note_realloc(payload, asked, 0, fault);
    return false;
  });
  if (!begun) return 0;
  try {
    move(transfer.from, transfer.to, transfer.size);
  } catch (...) {
    unpin_at(transfer.from);
    take_back(*state_, transfer.to, fault);
    throw;
  }
  const auto note = [&] { state_->note_realloc(transfer.from, asked, transfer.to, fault); };
  if (state_->give_back_pinned(state_->addresses.offset_of(transfer.from), fault, note))
    return unpin_at(transfer.to), transfer.to;
  Fault ignored;  // another process has freed the old block meanwhile: nobody knows of the new one
  take_back(*state_, transfer.to, ignored);
  return 0;
}

}  // namespace glassheap
