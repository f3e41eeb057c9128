// units.hpp: Units, the bytes of a caller and those of the core.
//
// In a heap with bytes the two are the same. An offset heap has a granule of g bytes, a power of two,
// and its core works on a shadow of the caller's memory, with 16 bytes for each granule:
//
//     caller    | g bytes ...... | g bytes ...... | g bytes ...... |
//     core      | 16 bytes       | 16 bytes       | 16 bytes       |
//
// A size becomes granules, rounded up. A place is rotated, so none is lost: one that is no multiple
// of g becomes one outside of the shadow, or off its granules, and rotated back it is what the
// caller passed.
#pragma once

#include <algorithm>
#include <bit>
#include <limits>

#include "glassheap/options.hpp"

namespace glassheap {

class Units {
 public:
  // Of a heap with bytes.
  constexpr Units() noexcept = default;
  // Of an offset heap with that granule.
  constexpr explicit Units(Size granule) noexcept
      : bits_(std::countr_zero(granule)),
        down_(std::max(0, bits_ - core_bits)),
        up_(std::max(0, core_bits - bits_)),
        below_((Size{1} << down_) - 1),
        largest_(most >> up_) {}

  [[nodiscard]] constexpr Size granule() const noexcept { return Size{1} << bits_; }
  [[nodiscard]] constexpr std::uint8_t bits() const noexcept {
    return static_cast<std::uint8_t>(bits_);
  }
  // True if every number is the same in both.
  [[nodiscard]] constexpr bool agree() const noexcept { return bits_ == core_bits; }

  // Bytes of the core in which `size` bytes of the caller fit; the most if they are too many.
  [[nodiscard]] constexpr Size to_core(Size size) const noexcept {
    const Size whole = (size >> down_) + ((size & below_) != 0 ? 1 : 0);
    return whole > largest_ ? most : whole << up_;
  }
  // An alignment that the heap serves: at least a granule.
  [[nodiscard]] constexpr Size align_to_core(Size align) const noexcept {
    return std::max(granule_size, (align >> down_) << up_);
  }
  // Bytes of the caller in whole granules of the core.
  [[nodiscard]] constexpr Size to_caller(Size size) const noexcept {
    return (size >> up_) << down_;
  }

  // Places, counted from the first byte of the region: any number, and back.
  [[nodiscard]] constexpr Offset place_to_core(Offset at) const noexcept {
    return std::rotr(at, bits_ - core_bits);
  }
  [[nodiscard]] constexpr Offset place_to_caller(Offset at) const noexcept {
    return std::rotl(at, bits_ - core_bits);
  }

 private:
  static constexpr int core_bits = std::countr_zero(granule_size);
  static constexpr Size most = std::numeric_limits<Size>::max();

  int bits_ = core_bits;  // of a granule
  int down_ = 0;          // bits by which a size of the core is smaller
  int up_ = 0;            // or larger
  Size below_ = 0;        // the bits of a size that are shifted out
  Size largest_ = most;   // that can be shifted up
};

[[nodiscard]] inline Units units_of(const Options& options) noexcept {
  return options.granule ? Units(*options.granule) : Units();
}

// Bytes of the core's region in a heap of that size: of the shadow, in an offset heap.
[[nodiscard]] inline Size core_size(const Options& options) noexcept {
  if (!options.granule) return round_up(options.size, granule_size);
  return options.size / *options.granule * granule_size;
}

}  // namespace glassheap
