// varint.hpp: whole numbers in as few bytes as they need, the least significant seven bits first
// (LEB128, as in DWARF). The highest bit of a byte is set if another one follows.
//
//     300 = 0b10'0101100  ->  | 1 0101100 | 0 0000010 |
//
// A difference is folded first, so that small ones of either sign are small: 0, -1, 1, -2 become
// 0, 1, 2, 3 (zigzag).
#pragma once

#include <cstddef>
#include <cstdint>

namespace glassheap::trace {

inline constexpr std::size_t longest_varint = 10;

inline std::byte* put_varint(std::byte* at, std::uint64_t number) noexcept {
  for (; number >= 0x80; number >>= 7) *at++ = static_cast<std::byte>(number | 0x80);
  *at = static_cast<std::byte>(number);
  return at + 1;
}

// Reads the number at `at`, and moves `at` behind it. Returns false if it does not end before `end`
// or has more than 64 bits.
inline bool get_varint(const std::byte*& at, const std::byte* end, std::uint64_t& number) noexcept {
  number = 0;
  for (unsigned shift = 0; at != end && shift < 64; shift += 7) {
    const auto byte = static_cast<std::uint64_t>(*at++);
    const std::uint64_t bits = byte & 0x7F;
    number |= bits << shift;
    if (byte < 0x80) return bits << shift >> shift == bits;
  }
  return false;
}

[[nodiscard]] constexpr std::uint64_t fold(std::uint64_t difference) noexcept {
  return difference << 1 ^ (std::uint64_t{0} - (difference >> 63));
}
[[nodiscard]] constexpr std::uint64_t unfold(std::uint64_t folded) noexcept {
  return folded >> 1 ^ (std::uint64_t{0} - (folded & 1));
}

}  // namespace glassheap::trace
