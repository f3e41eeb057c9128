// types.hpp: the units of sizes, offsets and addresses.
//
// Sizes and positions are counted in bytes; every extent is a whole number of granules of 16 bytes.
// An Offset is a position inside the region, counted from the region's first byte; an Address is
// the same position for a caller, counted from the base that the heap was opened with. Links inside
// the region are granule numbers in 32 bits, which bounds a region at 64 GiB less one granule.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace glassheap {

using Size = std::uint64_t;     // bytes
using Offset = std::uint64_t;   // bytes from the first byte of the region
using Address = std::uint64_t;  // bytes from the heap's base; 0 is no payload's address

using Key = std::array<std::uint64_t, 2>;  // random bits: of a seal, or of a segment's identity

inline constexpr Size granule_size = 16;
inline constexpr Size largest_region = ((Size{1} << 32) - 1) * granule_size;
inline constexpr Size largest_granule = Size{1} << 40;
inline constexpr std::uint16_t most_processes =
    4095;                                          // that are attached to one heap, or own blocks
inline constexpr Offset nowhere = largest_region;  // no block starts there; as a link, all ones

[[nodiscard]] constexpr bool is_power_of_two(Size n) noexcept {
  return n != 0 && (n & (n - 1)) == 0;
}

// `to` is a power of two. The caller ensures that n + to - 1 does not wrap.
[[nodiscard]] constexpr Size round_up(Size n, Size to) noexcept { return (n + to - 1) & ~(to - 1); }
[[nodiscard]] constexpr Size round_down(Size n, Size to) noexcept { return n & ~(to - 1); }

// A run of bytes in the region that is allocated, or free, as a unit. Extent 0 means: no block.
struct Block {
  Offset start = nowhere;
  Size extent = 0;

  [[nodiscard]] constexpr Offset end() const noexcept { return start + extent; }
  [[nodiscard]] constexpr explicit operator bool() const noexcept { return extent != 0; }
  friend constexpr bool operator==(const Block&, const Block&) = default;
};

}  // namespace glassheap
