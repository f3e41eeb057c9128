// shadow.hpp: what a heap owes, known from outside of it.
//
// The shadow remembers each block that was handed out, and what was written into it. SameList with
// a look at the heap before a call it says what must come of the call: whether a request can be
// served at all, which fault a pointer is, whether a block can be resized where it is. All of it in
// the words of the documentation, and nothing of how a policy decides.
//
// It also judges what a write does: a byte of a payload is its owner's, a byte of a header or of a
// node is the heap's, and so is any other where the heap is watched. Which bytes are whose depends
// on the options, and is said in one place: Shadow::owner.
#pragma once

#include <map>
#include <optional>

#include "sight.hpp"

namespace glassheap::fuzzing {

// A block that was handed out.
struct Taken {
  Address start = 0;
  Size extent = 0;
  Size size = 0;
  std::uint64_t id = 0;  // of the allocation: another one each time that an address is handed out
  std::vector<std::byte> content;  // `size` bytes
  unsigned pins = 0;
};

// Whose a byte of the region is.
enum class Owner : std::uint8_t {
  nobody,   // what is written there is nobody's loss, and nobody sees it
  payload,  // a block's holder, who may write there
  heap,     // the heap, which finds it out
};

class Shadow {
 public:
  explicit Shadow(const Heap& heap)
      : options_(heap.options()),
        front_(front_of(options_)),
        base_(heap.base()),
        end_(base_ + heap.size()),
        origin_(end_ - usable_region(options_)),
        largest_align_(std::max(granule_size, std::bit_floor(heap.size() / 4))) {}

  std::map<Address, Taken> live;  // by the address of the payload

  [[nodiscard]] Address origin() const { return origin_; }
  [[nodiscard]] Address end() const { return end_; }
  [[nodiscard]] Size front() const { return front_; }
  [[nodiscard]] Size shown(Size size) const { return shown_size(options_, size); }
  // How much of a block may be written.
  [[nodiscard]] Size usable(const Taken& taken) const {
    return is_watched(options_) ? taken.size : taken.extent - front_;
  }
  [[nodiscard]] const Options& options() const { return options_; }

  Taken& note(Address payload, Size size) {
    Taken& taken = live[payload];
    taken.start = payload - front_;
    taken.extent = extent_of(options_, size);
    taken.size = size;
    taken.id = ++ids_;
    return taken;
  }
  [[nodiscard]] bool any_pinned() const {
    return std::ranges::any_of(live, [](const auto& entry) { return entry.second.pins != 0; });
  }
  [[nodiscard]] Size requested() const {
    Size sum = 0;
    for (const auto& [payload, taken] : live) sum += shown(taken.size);
    return sum;
  }

  // --- What must come of a call. ----------------------------------------------------------------

  [[nodiscard]] FaultKind of_request(const Sight& before, Size size, Size align) const {
    if (!serves_align(align)) return FaultKind::invalid_alignment;
    return fits(before, size, std::max(align, granule_size)) ? FaultKind::none
                                                             : FaultKind::out_of_memory;
  }
  // Of the address that is given to free and its like.
  [[nodiscard]] FaultKind of_pointer(const Sight& before, Address payload) const {
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
  // A block without payload, once merged with what is before it, had its address where the next
  // block starts: such a pointer may be known as freed before.
  [[nodiscard]] bool may_be_freed_before(const Sight& before, Address payload) const {
    const BlockInfo* const block = before.block_at(payload - front_);
    return (payload - origin_) % granule_size == 0 && block != nullptr && !block->live;
  }
  [[nodiscard]] FaultKind of_realloc(const Sight& before, Address payload, Size size,
                                     Size align) const {
    if (!serves_align(align)) return FaultKind::invalid_alignment;
    const FaultKind pointer = of_pointer(before, payload);
    if (pointer != FaultKind::none) return pointer;
    return stays(before, payload, size, align) ? FaultKind::none : of_request(before, size, align);
  }
  // Whether a live block gets its new size where it is: buddies stand at multiples of theirs.
  [[nodiscard]] bool stays(const Sight& before, Address payload, Size size, Size align) const {
    const Taken& taken = live.at(payload);
    if (size > largest_region || payload % std::max(align, granule_size) != 0) return false;
    const Size need = extent_of(options_, size);
    if (need <= taken.extent) return true;
    const BlockInfo* const right = before.block_at(taken.start + taken.extent);
    return right != nullptr && !right->live && need <= taken.extent + right->extent &&
           (cuts_anywhere(options_) || (taken.start - origin_) % need == 0);
  }

  // --- What a write does. -----------------------------------------------------------------------

  [[nodiscard]] Owner owner(const BlockInfo& block, Size at) const {
    if (at < (block.live ? front_ : granule_size)) return Owner::heap;
    const auto taken = block.live ? live.find(block.address) : live.end();
    if (taken != live.end() && at - front_ < taken->second.size) return Owner::payload;
    return is_watched(options_) ? Owner::heap : Owner::nobody;
  }

 private:
  [[nodiscard]] bool serves_align(Size align) const {
    return is_power_of_two(align) && align <= largest_align_;
  }
  [[nodiscard]] bool fits(const Sight& before, Size size, Size align) const {
    if (size > largest_region) return false;
    const Size need = extent_of(options_, size);
    return std::ranges::any_of(before.blocks, [&](const BlockInfo& block) {
      const Size gap = (align - block.address % align) % align;
      return !block.live && gap + need <= block.extent;
    });
  }
  [[nodiscard]] static bool starts_free(const Sight& before, Address start) {
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
