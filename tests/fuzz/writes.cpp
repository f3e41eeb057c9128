// writes.cpp: writes into the region, and their effect on the state of a CheckedHeap.

#include "checked_heap.hpp"

namespace glassheap::fuzzing {

void CheckedHeap::write(Address at, std::span<const std::byte> data) {
  const HeapView before = view();
  const bool was_overwritten = overwritten_;
  detectable_ = false;  // two writes together may be consistent again
  for (std::size_t i = 0; i < data.size() && at + i < oracle_.end(); ++i)
    write_byte(before, at + i, data[i]);
  if (overwritten_ && !was_overwritten) detectable_ = true;
  detectable_ = detectable_ && !may_be_undetectable(before);
}

void CheckedHeap::write_byte(const HeapView& before, Address at, std::byte byte) {
  const BlockInfo* const block = before.block_at(at);
  if (block == nullptr || !overwrite(*bytes(at), byte)) return;
  const Owner owner = oracle_.owner(*block, at - block->start);
  if (owner == Owner::heap) overwritten_ = true;
  if (owner == Owner::payload) oracle_.live.at(block->address).content[at - block->address] = byte;
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
  const Size header = block.live ? oracle_.front() : 0;
  for (Size i = header; i < block.extent; ++i) {
    if (before.bytes[at + i] != after.bytes[at + i] && oracle_.owner(block, i) == Owner::heap)
      return false;
  }
  return std::memcmp(&before.bytes[at], &after.bytes[at], header) == 0 ||
         is_plausible(after.bytes, at, block.extent);
}

// Returns true if a header may be that of a block of this extent, provided that its seal is valid.
bool CheckedHeap::is_plausible(const std::vector<std::byte>& bytes, Size at, Size extent) const {
  header_t header;
  std::memcpy(&header, &bytes[at], sizeof header);
  return header.magic == oracle_.options().magic && header.size <= largest_region &&
         extent_of(oracle_.options(), header.size) == extent;
}

}  // namespace glassheap::fuzzing
