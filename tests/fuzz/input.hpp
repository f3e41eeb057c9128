// input.hpp: the bytes of a fuzzer's input, read as numbers.
//
// Every input is valid: at its end, each further number is 0. Small numbers are read from single
// bytes, so that a change of one byte is a small change of the session; and the numbers at which
// arithmetic overflows have bytes of their own, because random bytes hardly ever make 2^64 - 16.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "glassheap/types.hpp"

namespace glassheap {

class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }
  // A number below `end`, which is at most 256; 0 if there is none.
  std::size_t below(std::size_t end) { return end == 0 ? 0 : byte() % end; }
  bool flag() { return byte() % 2 == 1; }

  std::uint64_t number(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | byte();
    return value;
  }
  // A request size: mostly one that fits many times, sometimes one that fits once or never.
  Size size() {
    const std::uint8_t first = byte();
    if (first < 208) return first;
    if (first < 240) return number(2) % 4200;
    constexpr std::array extremes = {largest_region - 16, largest_region - 15,  largest_region,
                                     largest_region + 1,  Size{1} << 63,        ~Size{0},
                                     ~Size{0} - 14,       ~Size{0} - 15,        ~Size{0} - 16,
                                     ~Size{0} - 31,       (Size{1} << 63) - 16, Size{1} << 32};
    return extremes[first % extremes.size()];
  }
  // An alignment: mostly the default; also powers of two, even too large ones, and other numbers.
  Size align() {
    const std::uint8_t first = byte();
    if (first < 128) return granule_size;
    if (first < 250) return Size{1} << (first % 14);
    return number(8);
  }

 private:
  std::span<const std::uint8_t> rest_;
};

}  // namespace glassheap
