// addressing.hpp: the caller's addresses and the core's offsets.
//
// A caller counts from `base`: by default the region's real address, or 0. The core counts from its
// first block, which lies behind the unused granule of a heap with base 0 and no headers.
//
//     address    base      base + unused                        base + size
//     region     | unused  | header | payload .... | header | payload .... |
//     offset               0        front
#pragma once

#include "base/region.hpp"
#include "glassheap/fault.hpp"
#include "glassheap/options.hpp"

namespace glassheap {

class Addressing {
 public:
  Addressing(const Options& options, const Region& region) noexcept;

  // The largest alignment that a region of `size` bytes serves: a quarter of it, at least 16.
  [[nodiscard]] static Size largest_align(Size size) noexcept;

  // The alignment to give a region with a base inside a buffer of `size` bytes. At most a 16th of a
  // small buffer stays unused for it, and a 64th of a large one.
  [[nodiscard]] static Size align_within(Size size) noexcept;

  [[nodiscard]] Size size() const noexcept { return size_; }
  [[nodiscard]] Size unused() const noexcept { return unused_; }
  [[nodiscard]] Address base() const noexcept { return base_; }
  [[nodiscard]] Address real() const noexcept { return real_; }
  [[nodiscard]] Size align_limit() const noexcept { return align_limit_; }

  [[nodiscard]] Offset offset_of(Address payload) const noexcept { return payload - origin_; }
  [[nodiscard]] Address address_of(Offset at) const noexcept { return at + origin_; }
  [[nodiscard]] Offset payload_of(Block block) const noexcept { return block.start + front_; }
  [[nodiscard]] Address payload_address(Block block) const noexcept {
    return address_of(payload_of(block));
  }
  [[nodiscard]] std::byte* data(Offset at) const noexcept {
    return reinterpret_cast<std::byte*>(real_ + unused_ + at);
  }
  // Bytes from the region's first byte to the core's offset `end`; 0 for 0.
  [[nodiscard]] Size from_first_byte(Offset end) const noexcept {
    return end == 0 ? 0 : unused_ + end;
  }
  // True if `address` points into the unused granule, behind its first byte.
  [[nodiscard]] bool is_inside_unused(Address address) const noexcept {
    const Offset at = address - base_;
    return at < unused_ && at % granule_size != 0;
  }

  // Returns true if the heap serves `align`; raises one below 16 to 16.
  [[nodiscard]] bool check_align(Size& align, Fault& fault) const noexcept {
    return align == granule_size || check_other_align(align, fault);
  }

 private:
  [[nodiscard]] bool check_other_align(Size& align, Fault& fault) const noexcept;

  Size size_;     // bytes of the region
  Size front_;    // bytes before each payload
  Size unused_;   // bytes before the first block
  Address real_;  // of the region's first byte
  Address base_;
  Size align_limit_;
  Address origin_;  // of the first block, as the caller counts
};

}  // namespace glassheap
