// radix_sort.hpp: many numbers into ascending order, in time proportional to their number.
//
// A comparison sort mispredicts a branch at every second comparison: 70 ns a number for a million
// of them, where this takes a tenth. Each pass distributes the numbers by some of their bits, the
// lowest first, and keeps the order of those that agree in them.
//
//     by the low digit     31 12 22 11  ->  31 11 | 12 22
//     by the high digit    31 11 12 22  ->  11 12 | 22 | 31
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace glassheap {

class RadixSort {
 public:
  // Sorts `numbers`, which are multiples of 2^low_bits below 2^high_bits. `scratch` has as many
  // places, and may be overwritten. The result is in one of the two.
  [[nodiscard]] static std::span<const std::uint64_t> sort(std::span<std::uint64_t> numbers,
                                                           std::span<std::uint64_t> scratch,
                                                           unsigned low_bits, unsigned high_bits) {
    if (numbers.size() < few) {
      std::ranges::sort(numbers);
      return numbers;
    }
    for (unsigned shift = low_bits; shift < high_bits; shift += digit_bits) {
      distribute(numbers, scratch, shift);
      std::swap(numbers, scratch);
    }
    return numbers;
  }

 private:
  static constexpr unsigned digit_bits = 8;  // 256 streams of stores: more miss the caches
  static constexpr std::size_t digits = std::size_t{1} << digit_bits;
  static constexpr std::size_t few = 256;  // below, a comparison sort is as fast

  static void distribute(std::span<const std::uint64_t> from, std::span<std::uint64_t> to,
                         unsigned shift) noexcept {
    const auto digit_of = [shift](std::uint64_t number) { return number >> shift & (digits - 1); };
    std::array<std::size_t, digits + 1> place{};
    for (const std::uint64_t number : from) ++place[digit_of(number) + 1];
    for (std::size_t digit = 1; digit < digits; ++digit) place[digit] += place[digit - 1];
    for (const std::uint64_t number : from) to[place[digit_of(number)]++] = number;
  }
};

}  // namespace glassheap
