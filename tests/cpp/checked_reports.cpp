// checked_reports.cpp: the handles and pins of a CheckedHeap, its questions, the writes into its
// region, and its comparisons with the model.

#include "checked_heap.hpp"
#include "glassheap/layout.h"

namespace glassheap {
namespace {

// A question about a pinned block is answered like one about any live block.
FaultKind ignoring_pins(FaultKind expected) {
  return expected == FaultKind::pinned ? FaultKind::none : expected;
}

}  // namespace

// --- Handles. -----------------------------------------------------------------------------------

std::optional<HeldHandle> CheckedHeap::acquire(Size size, Size align) {
  Handle handle;
  const Address payload = request(size, align, [&](Fault& fault) {
    return heap_->acquire(size, align, handle, fault) ? handle.address : 0;
  });
  if (payload == 0) return std::nullopt;
  require(handle.size == size, "a handle has the requested size");
  return HeldHandle{handle, model_.live().at(payload).id};
}

void CheckedHeap::release(const HeldHandle& held) {
  FaultKind expected = fault_of_handle(held);
  if (expected == FaultKind::none && model_.live().at(held.handle.address).pins != 0)
    expected = FaultKind::pinned;
  if (change(expected, or_forged(held, expected),
             [&](Fault& fault) { return heap_->release(held.handle, fault) ? 1 : 0; }) != 0)
    on_free(held.handle.address);
  require(fault_.kind != FaultKind::stale_handle || fault_.address == held.handle.address,
          "a stale handle is named by its address");
  follow_lists();
}

// A handle is current as long as its block is live, and is the block that it was made for. Without
// headers a block cannot be distinguished from a later one at the same address.
FaultKind CheckedHeap::fault_of_handle(const HeldHandle& held) const {
  const auto block = model_.live().find(held.handle.address);
  if (block == model_.live().end() || held.handle.epoch != epoch_) return FaultKind::stale_handle;
  return model_.front() == 0 || block->second.id == held.id ? FaultKind::none
                                                            : FaultKind::stale_handle;
}

// An old header, written back where it was, makes its handle current again.
FaultKind CheckedHeap::or_forged(const HeldHandle& held, FaultKind expected) const {
  if (!overwritten_) return expected;
  if (expected == FaultKind::none) return FaultKind::stale_handle;
  return model_.live().contains(held.handle.address) ? FaultKind::none : expected;
}

// --- Questions. ---------------------------------------------------------------------------------

// Makes a call that changes nothing, whatever its result is. Returns its answer.
bool CheckedHeap::ask(FaultKind expected, FaultKind or_else, const Call& question) {
  const HeapView before = view();
  const bool answer = question(fault_ = {}) != 0;
  const Fault& fault = fault_;
  require(before == view(), "a question changes nothing");
  if (fault) examine(fault);
  if (is_corruption(fault.kind)) damaged_ = true;
  const bool as_overwritten = overwritten_ && is_corruption(fault.kind);
  require(fault.kind == expected || fault.kind == or_else || as_overwritten,
          "a question has the correct answer");
  return answer;
}

void CheckedHeap::query(Address payload) {
  const FaultKind expected = ignoring_pins(model_.fault_of_pointer(payload));
  const bool is_live = expected == FaultKind::none;
  Fault fault;
  require(heap_->contains(payload, fault) == is_live || overwritten_,
          "a heap contains its live blocks and nothing else");
  require(!fault, "a query of an open heap is never refused");
  Size usable = 0;
  const bool known = ask(expected, or_double_free(expected, payload), [&](Fault& at_usable) {
    usable = heap_->usable_size(payload, at_usable);
    return at_usable ? 0 : 1;
  });
  require(!known || overwritten_ || usable == model_.usable(payload),
          "the usable size is that of the block");
}

void CheckedHeap::query(const HeldHandle& held) {
  const FaultKind expected = fault_of_handle(held);
  ask(expected, or_forged(held, expected),
      [&](Fault& fault) { return heap_->is_current(held.handle, fault) ? 1 : 0; });
}

// --- Pins. --------------------------------------------------------------------------------------

void CheckedHeap::pin(Address payload) {
  const FaultKind expected = ignoring_pins(model_.fault_of_pointer(payload));
  Heap::Pinned pinned;
  if (ask(expected, or_double_free(expected, payload),
          [&](Fault& fault) { return heap_->pin(payload, pinned, fault) ? 1 : 0; }))
    on_pin(payload, pinned);
}

void CheckedHeap::pin(const HeldHandle& held) {
  const FaultKind expected = fault_of_handle(held);
  Heap::Pinned pinned;
  if (ask(expected, or_forged(held, expected),
          [&](Fault& fault) { return heap_->pin(held.handle, pinned, fault) ? 1 : 0; }))
    on_pin(held.handle.address, pinned);
}

void CheckedHeap::on_pin(Address payload, const Heap::Pinned& pinned) {
  require(model_.live().contains(payload), "only a live block is pinned");
  Allocation& block = model_.at(payload);
  ++block.pins;
  require(pinned.data == at(payload) && pinned.payload == payload - model_.origin(),
          "a pin has the place of the bytes");
  require(overwritten_ || pinned.size == reported_size(model_.options(), block.size),
          "a pin has the size of the block");
}

void CheckedHeap::unpin_lowest() {
  for (const auto& [payload, block] : model_.live()) {
    if (block.pins == 0) continue;
    --model_.at(payload).pins;
    heap_->unpin(payload - model_.origin());
    return;
  }
}

// If the owner's pin is the only one, the call is like that of a block without pins.
Address CheckedHeap::realloc_pinned(Address payload, Size size, Size align) {
  const unsigned pins = std::exchange(model_.at(payload).pins, 0);
  FaultKind expected = model_.fault_of_realloc(payload, size, align);
  if (pins != 1 && expected != FaultKind::invalid_alignment) expected = FaultKind::pinned;
  model_.at(payload).pins = pins;
  const Address now = change(expected, expected, naming(size, align, [&](Fault& fault) {
                               return heap_->realloc_pinned(payload, size, align, fault);
                             }));
  if (now == 0) return 0;
  on_realloc(payload, now, size, align);
  model_.at(now).pins = pins;
  return now;
}

void CheckedHeap::free_pinned(Address payload) {
  --model_.at(payload).pins;
  const FaultKind expected = model_.fault_of_pointer(payload);
  if (change(expected, expected,
             [&](Fault& fault) { return heap_->free_pinned(payload, fault) ? 1 : 0; }) != 0)
    on_free(payload);
}

// --- Writes. ------------------------------------------------------------------------------------

void CheckedHeap::write(Address start, std::span<const std::byte> data) {
  const HeapView before = view();
  const bool was_overwritten = overwritten_;
  detectable_ = false;  // two writes together may be consistent again
  for (std::size_t i = 0; i < data.size() && start + i < model_.end(); ++i)
    write_byte(before, start + i, data[i]);
  if (overwritten_ && !was_overwritten) detectable_ = !may_be_undetectable(before);
}

void CheckedHeap::write_byte(const HeapView& before, Address place, std::byte byte) {
  const BlockInfo* const block = before.block_at(place);
  if (block == nullptr || !overwrite(*at(place), byte)) return;
  if (is_heaps_own(*block, place - block->start)) {
    overwritten_ = true;
  } else if (block->live && place - block->address < model_.at(block->address).content.size()) {
    model_.at(block->address).content[place - block->address] = byte;
  }
}

// Returns true if a write to offset `at` of the block is corruption. A payload is its owner's; the
// other bytes do not matter to a heap without debug checks, but for headers and nodes.
bool CheckedHeap::is_heaps_own(const BlockInfo& block, Size at) const {
  if (at < (block.live ? model_.front() : granule_size)) return true;
  if (!has_debug_checks(model_.options())) return false;
  return !block.live || at - model_.front() >= model_.live().at(block.address).size;
}

// A seal of 16 bits with an unknown key is matched by chance now and then. These are always
// detectable: a wrong magic number, a size that the block cannot have, and a change of any other
// byte of the heap's own: in a node, and with debug checks behind a payload or in free memory.
bool CheckedHeap::may_be_undetectable(const HeapView& before) const {
  const HeapView after = view();
  return std::ranges::all_of(before.blocks, [&](const BlockInfo& block) {
    return may_be_undetectable(block, before, after);
  });
}

bool CheckedHeap::may_be_undetectable(const BlockInfo& block, const HeapView& before,
                                      const HeapView& after) const {
  const Size at = block.start - heap_->base();
  const Size header = block.live ? model_.front() : 0;
  for (Size i = header; i < block.extent; ++i) {
    if (before.bytes[at + i] != after.bytes[at + i] && is_heaps_own(block, i)) return false;
  }
  return std::memcmp(&before.bytes[at], &after.bytes[at], header) == 0 ||
         is_plausible(&after.bytes[at], block.extent);
}

// Returns true if a header may be that of a block of this extent, provided that its seal is valid.
bool CheckedHeap::is_plausible(const std::byte* front, Size extent) const {
  header_t header;
  std::memcpy(&header, front, sizeof header);
  return header.magic == model_.options().magic && header.size <= largest_region &&
         extent_of(model_.options(), header.size) == extent;
}

// --- Comparisons with the model. ----------------------------------------------------------------

Findings CheckedHeap::inspect() {
  const HeapView now = view();
  compare_blocks();
  compare_payloads();
  compare_free_list(now.free_list);
  compare_stats(now.stats);
  Fault fault;
  Findings findings = heap_->check(fault);
  for (const auto& [found, culprit, text] : findings) {
    examine(found);
    require(culprit.live || culprit.extent == 0, "a culprit is a live block");
    require(text.starts_with(sentence(found)), "a finding has its fault's sentence");
  }
  if (!overwritten_ && !findings.empty()) throw BrokenPromise(findings.front().sentence);
  require(!detectable_ || !findings.empty() || links_are_true(now),
          "check() finds what was overwritten");
  damaged_ = damaged_ || !findings.empty();
  require(now == view(), "check() changes nothing");
  return findings;
}

// Returns true if the list is complete, and each link in the region leads to the next block of it.
// An overwritten link is not mended, but it is true again if the next block comes to where it leads.
bool CheckedHeap::links_are_true(const HeapView& now) const {
  const auto& list = now.free_list;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::uint32_t next = read<node_t>(list[i].address).next;
    const bool leads_on =
        i + 1 < list.size() && next == (list[i + 1].address - model_.origin()) / granule_size;
    if (next != GLASSHEAP_NIL && !leads_on) return false;
  }
  return std::ranges::count(now.blocks, false, &BlockInfo::live) == std::ssize(list);
}

std::vector<BlockInfo> CheckedHeap::walk() const {
  Fault fault;
  std::vector<BlockInfo> blocks = heap_->walk(fault);
  require(!fault, "a query of an open heap is never refused");
  return blocks;
}

// The blocks are known from the block map, whatever their bytes say: so an overwritten heap has the
// correct blocks too, though not their sizes and serials.
void CheckedHeap::compare_blocks() const {
  const auto same_place = [](const BlockInfo& a, const BlockInfo& b) {
    return a.start == b.start && a.extent == b.extent && a.address == b.address && a.live == b.live;
  };
  const std::vector<BlockInfo> blocks = walk();
  require(overwritten_ ? std::ranges::equal(blocks, model_.walk(), same_place)
                       : blocks == model_.walk(),
          "the blocks are those that were allocated, and the free ones between them");
}

void CheckedHeap::compare_payloads() const {
  for (const auto& [payload, block] : model_.live())
    require(std::ranges::equal(block.content, std::span(at(payload), block.content.size())),
            "a payload is its owner's alone");
}

// The free list has every free block once; if nodes were overwritten, some of them.
void CheckedHeap::compare_free_list(std::vector<FreeBlock> listed) const {
  std::vector<FreeBlock> free = model_.free_list();
  if (model_.is_exact() && !overwritten_) return require(listed == free, "the list is in order");
  std::ranges::sort(listed, {}, &FreeBlock::address);
  std::ranges::sort(free, {}, &FreeBlock::address);
  require(overwritten_
              ? std::ranges::includes(free, listed, {}, &FreeBlock::address, &FreeBlock::address)
              : listed == free,
          "the list has every free block once");
}

// The free blocks are counted from the block map; the other sums are read from headers.
void CheckedHeap::compare_stats(const Stats& stats) const {
  const Stats expected = model_.stats();
  require(stats.available == expected.available && stats.largest_free == expected.largest_free &&
              stats.live_blocks == expected.live_blocks && stats.used == expected.used,
          "the sums over the blocks are correct");
  require(overwritten_ || stats == expected, "the statistics are correct");
  Fault fault;
  const Footprint footprint = heap_->footprint(fault);
  require(
      !fault && footprint.used == stats.used && footprint.taken == stats.requested + stats.overhead,
      "the footprint is that of the statistics");
}

}  // namespace glassheap
