#include "heap/census.hpp"
#include "heap/scoped_access.hpp"

// Heap: the tags of blocks, and the reports on them.

namespace glassheap {

// --- Tags. -------------------------------------------------------------------------------------

namespace {

// The ledger, which begins now if there is none; null inside a signal handler that has interrupted a
// call on the heap.
Ledger* started_ledger(HeapState& heap) {
  if (Ledger* const kept = heap.ledger.load(std::memory_order_acquire)) return kept;
  const Guard guard(heap.lock, WaitMode::uninterrupted);
  if (!guard) return nullptr;
  if (heap.ledger.load(std::memory_order_relaxed) == nullptr) heap.start_ledger();
  return heap.ledger.load(std::memory_order_relaxed);
}

// Drops the tags that no block has and nobody holds. A block that has just got a tag is live, and
// its tag was held until then.
void drop_unused_tags(HeapState& heap, Ledger& ledger) {
  Fault ignored;
  heap.read_all(ignored, [&ledger](HeapState& state) {
    std::vector<bool> used(ledger.tags.ids());
    for (const BlockView& view : state.core->walk()) {
      const TagId tag = ledger.read(state.addresses.payload_of(view.block)).tag;
      if (view.live && tag < used.size()) used[tag] = true;
    }
    ledger.tags.drop_unused(used);
    if (state.recording != nullptr) state.recording->forget_tags();
    return true;
  });
}

}  // namespace

TagId Heap::hold_tag(std::string_view text) {
  Ledger* const ledger = started_ledger(*state_);
  if (ledger == nullptr) return 0;
  const TagId tag = ledger->tags.hold(text, TagTable::Growth::up_to_limit);
  if (tag != 0) [[likely]]
    return tag;
  drop_unused_tags(*state_, *ledger);
  return ledger->tags.hold(text, TagTable::Growth::any);
}

void Heap::drop_tag(TagId tag) noexcept {
  if (tag != 0) state_->ledger.load(std::memory_order_acquire)->tags.drop(tag);
}

void Heap::set_tag(Address payload, TagId tag) noexcept {
  Ledger* const ledger = state_->ledger.load(std::memory_order_acquire);
  if (ledger != nullptr) ledger->set_tag(state_->addresses.offset_of(payload), tag);
}

// --- Reports. ----------------------------------------------------------------------------------

std::vector<TagUsage> Heap::by_tag(Fault& fault) { return take_census(*state_, fault).by_tag(); }

std::vector<TaggedBlock> Heap::oldest(std::size_t count, Fault& fault) {
  return take_census(*state_, fault).oldest(count);
}

std::vector<RefusalCount> Heap::refusals(Fault& fault) {
  return state_->read(fault, [](HeapState& heap) { return heap.refusals.list(); });
}

}  // namespace glassheap
