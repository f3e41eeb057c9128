// oracle.hpp: the correct result of each call, found without the heap.
//
// The oracle records each live block and the bytes that were written into it. With a view of the
// heap before a call it returns the correct result of the call: if a request can be served at all,
// which fault a pointer has, if a block can be resized in place. All of this follows from the
// documentation, and nothing from how a policy decides.
//
// The oracle also classifies each byte of the region: a payload byte belongs to the block's owner,
// a byte of a header or node to the heap, and so do all other bytes if the heap has debug checks.
// The classification depends on the options, and is defined in one place: Oracle::owner.
#pragma once

#include <map>
#include <optional>

#include "heap_view.hpp"

namespace glassheap::fuzzing {

// A live block.
struct Allocation {
  Address start = 0;
  Size extent = 0;
  Size size = 0;
  std::uint64_t id = 0;            // unique: a new one each time that an address is allocated
  std::vector<std::byte> content;  // `size` bytes
  unsigned pins = 0;
};

// The owner of a byte of the region.
enum class Owner : std::uint8_t {
  none,     // a write does no harm, and is not detected
  payload,  // the block's owner, who may write it
  heap,     // a write is corruption, which the heap detects
};

class Oracle {
 public:
  explicit Oracle(const Heap& heap)
      : options_(heap.options()),
        front_(front_of(options_)),
        base_(heap.base()),
        end_(base_ + heap.size()),
        origin_(end_ - usable_region(options_)),
        largest_align_(std::max(granule_size, std::bit_floor(heap.size() / 4))) {}

  std::map<Address, Allocation> live;  // by the address of the payload

  [[nodiscard]] Address origin() const { return origin_; }
  [[nodiscard]] Address end() const { return end_; }
  [[nodiscard]] Size front() const { return front_; }
  [[nodiscard]] Size reported(Size size) const { return reported_size(options_, size); }
  // The number of bytes of a block that may be written.
  [[nodiscard]] Size usable(const Allocation& allocation) const {
    return has_debug_checks(options_) ? allocation.size : allocation.extent - front_;
  }
  [[nodiscard]] const Options& options() const { return options_; }

  Allocation& record(Address payload, Size size) {
    Allocation& allocation = live[payload];
    allocation.start = payload - front_;
    allocation.extent = extent_of(options_, size);
    allocation.size = size;
    allocation.id = ++ids_;
    return allocation;
  }
  [[nodiscard]] bool any_pinned() const {
    return std::ranges::any_of(live, [](const auto& entry) { return entry.second.pins != 0; });
  }
  [[nodiscard]] Size requested() const {
    Size sum = 0;
    for (const auto& [payload, allocation] : live) sum += reported(allocation.size);
    return sum;
  }

  // --- The correct fault of a call; none if it must be served. ----------------------------------

  [[nodiscard]] FaultKind fault_of_request(const HeapView& before, Size size, Size align) const {
    if (!serves_align(align)) return FaultKind::invalid_alignment;
    return fits(before, size, std::max(align, granule_size)) ? FaultKind::none
                                                             : FaultKind::out_of_memory;
  }
  // For the address that is passed to free and similar calls.
  [[nodiscard]] FaultKind fault_of_pointer(const HeapView& before, Address payload) const {
    const auto known = live.find(payload);
    if (known != live.end()) return known->second.pins ? FaultKind::pinned : FaultKind::none;
    const Address offset = payload - origin_;
    if (offset % granule_size == 0 && starts_free(before, payload - front_))
      return FaultKind::double_free;
    if (payload - base_ >= end_ - base_) return FaultKind::foreign_pointer;
    if (offset % granule_size != 0) return FaultKind::misaligned_pointer;
    if (payload < origin_) return FaultKind::foreign_pointer;  // the granule that stays unused
    return before.block_at(payload)->live ? FaultKind::interior_pointer : FaultKind::double_free;
  }
  // Returns true if double_free is correct too: the address of an empty block, which has been
  // merged into the free block before it, is the start of the next block.
  [[nodiscard]] bool may_be_double_free(const HeapView& before, Address payload) const {
    const BlockInfo* const block = before.block_at(payload - front_);
    return (payload - origin_) % granule_size == 0 && block != nullptr && !block->live;
  }
  [[nodiscard]] FaultKind fault_of_realloc(const HeapView& before, Address payload, Size size,
                                           Size align) const {
    if (!serves_align(align)) return FaultKind::invalid_alignment;
    const FaultKind pointer = fault_of_pointer(before, payload);
    if (pointer != FaultKind::none) return pointer;
    return stays_in_place(before, payload, size, align) ? FaultKind::none
                                                        : fault_of_request(before, size, align);
  }
  // Returns true if a live block is resized in place. A buddy's offset is a multiple of its extent.
  [[nodiscard]] bool stays_in_place(const HeapView& before, Address payload, Size size,
                                    Size align) const {
    const Allocation& allocation = live.at(payload);
    if (size > largest_region || payload % std::max(align, granule_size) != 0) return false;
    const Size need = extent_of(options_, size);
    if (need <= allocation.extent) return true;
    const BlockInfo* const right = before.block_at(allocation.start + allocation.extent);
    return right != nullptr && !right->live && need <= allocation.extent + right->extent &&
           (splits_anywhere(options_) || (allocation.start - origin_) % need == 0);
  }

  // --- The effect of a write. -------------------------------------------------------------------

  // The owner of the byte at offset `at` in `block`.
  [[nodiscard]] Owner owner(const BlockInfo& block, Size at) const {
    if (at < (block.live ? front_ : granule_size)) return Owner::heap;
    const auto allocation = block.live ? live.find(block.address) : live.end();
    if (allocation != live.end() && at - front_ < allocation->second.size) return Owner::payload;
    return has_debug_checks(options_) ? Owner::heap : Owner::none;
  }

 private:
  [[nodiscard]] bool serves_align(Size align) const {
    return is_power_of_two(align) && align <= largest_align_;
  }
  [[nodiscard]] bool fits(const HeapView& before, Size size, Size align) const {
    if (size > largest_region) return false;
    const Size need = extent_of(options_, size);
    return std::ranges::any_of(before.blocks, [&](const BlockInfo& block) {
      const Size gap = (align - block.address % align) % align;
      return !block.live && gap + need <= block.extent;
    });
  }
  [[nodiscard]] static bool starts_free(const HeapView& before, Address start) {
    const BlockInfo* const block = before.block_at(start);
    return block != nullptr && !block->live && block->start == start;
  }

  Options options_;
  Size front_;
  Address base_;
  Address end_;
  Address origin_;  // of the first block
  Size largest_align_;
  std::uint64_t ids_ = 0;
};

}  // namespace glassheap::fuzzing
