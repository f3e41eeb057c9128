// addressing.hpp: the caller's addresses and the core's offsets.
//
// A caller counts from `base`: by default the region's real address, or 0. The core counts from its
// first block, which lies behind the unused granule of a heap with base 0 and no headers.
//
//     address    base      base + unused                        base + size
//     region     | unused  | header | payload .... | header | payload .... |
//     offset               0        front
//
// In an offset heap the region is the caller's memory, of which the core knows a shadow (units.hpp).
// Its base is 0, and no granule of it is unused.
#pragma once

#include "base/region.hpp"
#include "glassheap/fault.hpp"
#include "glassheap/options.hpp"
#include "heap/units.hpp"

namespace glassheap {

class Addressing {
 public:
  Addressing(const Options& options, const Region& region) noexcept;

  // The largest alignment that a region of `size` bytes serves: a quarter of it, at least 16.
  [[nodiscard]] static Size largest_align(Size size) noexcept;

  // The alignment to give a region with a base inside a buffer of `size` bytes. At most a 16th of a
  // small buffer stays unused for it, and a 64th of a large one.
  [[nodiscard]] static Size align_within(Size size) noexcept;

  [[nodiscard]] const Units& units() const noexcept { return units_; }
  [[nodiscard]] bool has_bytes() const noexcept { return has_bytes_; }
  [[nodiscard]] Size size() const noexcept { return size_; }
  [[nodiscard]] Address base() const noexcept { return base_; }
  [[nodiscard]] Address real() const noexcept { return has_bytes_ ? real_ : 0; }
  [[nodiscard]] Size align_limit() const noexcept { return align_limit_; }

  // True for an address that stands for no block.
  [[nodiscard]] bool is_null(Address payload) const noexcept { return payload == 0 && has_bytes_; }
  [[nodiscard]] Offset offset_of(Address payload) const noexcept {
    return units_.place_to_core(payload - origin_);
  }
  [[nodiscard]] Address address_of(Offset at) const noexcept {
    return units_.place_to_caller(at) + origin_;
  }
  [[nodiscard]] Offset payload_of(Block block) const noexcept { return block.start + front_; }
  [[nodiscard]] Address payload_address(Block block) const noexcept {
    return address_of(payload_of(block));
  }
  [[nodiscard]] std::byte* data(Offset at) const noexcept {
    return reinterpret_cast<std::byte*>(real_ + unused_ + at);
  }
  // Bytes of the caller from the region's first byte to the core's offset `at`.
  [[nodiscard]] Size from_first_byte(Offset at) const noexcept {
    return unused_ + units_.place_to_caller(at);
  }
  // The same to the end of the core's last block; 0 for 0.
  [[nodiscard]] Size up_to(Offset end) const noexcept {
    return end == 0 ? 0 : unused_ + units_.to_caller(end);
  }
  // Gives a fault of the core the numbers of the caller.
  void complete(Fault& fault) const noexcept {
    fault.granule_bits = units_.bits();
    fault.offset = from_first_byte(fault.offset);
    if (!has_bytes_ && fault.kind == FaultKind::free_list_corrupted) fault.field = "node";
  }
  // True if `address` points into the region, but not at a granule.
  [[nodiscard]] bool is_misaligned(Address address) const noexcept {
    const Offset at = address - base_;
    return at < size_ && at % units_.granule() != 0;
  }

  // Returns true if the heap serves `align`, and makes it the core's, at least 16.
  [[nodiscard]] bool check_align(Size& align, Fault& fault) const noexcept {
    if (align != units_.granule()) return check_other_align(align, fault);
    align = granule_size;
    return true;
  }

 private:
  [[nodiscard]] bool check_other_align(Size& align, Fault& fault) const noexcept;

  Units units_;
  bool has_bytes_;
  Size size_;     // bytes of the region
  Size front_;    // bytes before each payload
  Size unused_;   // bytes before the first block
  Address real_;  // of the region's first byte, or of its shadow's
  Address base_;
  Size align_limit_;
  Address origin_;  // of the first block, as the caller counts
};

}  // namespace glassheap
