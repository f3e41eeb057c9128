// bin_set.hpp: which of a policy's bins have a block.
//
//     words_      | 0..0 1 0 | 0 ...... | 1 1 0 .. |     a bit a bin
//     summary_      1          0          1              a bit a word that is not zero
//
// Two words are read to find the lowest member from some bin upwards.
#pragma once

#include <algorithm>
#include <utility>

#include "base/bitmap.hpp"

namespace glassheap {

// The set of bins, below 64 * words, that have a block. They are few enough for one summary of all
// words, which is updated without a branch.
template <std::size_t words>
class BinSet {
 public:
  static constexpr std::size_t none = Bitmap::none;

  void set(std::size_t bin) noexcept {
    // A bin is below 64 * words, whatever the extent. NOLINTNEXTLINE(clang-analyzer-*)
    words_[word_of(bin)] |= std::uint64_t{1} << (bin % 64);
    summary_ |= 1U << word_of(bin);
  }
  void clear(std::size_t bin) noexcept {
    const std::uint64_t left = words_[word_of(bin)] &= ~(std::uint64_t{1} << (bin % 64));
    summary_ &= ~((left == 0 ? 1U : 0U) << word_of(bin));
  }
  [[nodiscard]] bool has(std::size_t bin) const noexcept {
    return (words_[word_of(bin)] >> (bin % 64) & 1) != 0;
  }
  // The lowest member from `bin` upwards, which is below 64 * words; or none.
  [[nodiscard, gnu::always_inline]] std::size_t next(std::size_t bin) const noexcept {
    const std::uint64_t here = words_[word_of(bin)] >> (bin % 64);
    if (here != 0) return bin + static_cast<std::size_t>(std::countr_zero(here));
    const std::uint32_t above = summary_ & ~1U << word_of(bin);
    if (above == 0) return none;
    const auto word = static_cast<std::size_t>(std::countr_zero(above));
    return word * 64 + static_cast<std::size_t>(std::countr_zero(words_[word]));
  }
  // Returns true if each member is below `count`, and the summary agrees. Drops other members.
  [[nodiscard]] bool confine(std::size_t count) noexcept {
    std::uint64_t dropped = 0;
    std::uint32_t summary = 0;
    for (std::size_t i = 0; i < words; ++i) {
      const std::size_t bins = std::min<std::size_t>(count - std::min(count, 64 * i), 64);
      const std::uint64_t possible = bins == 0 ? 0 : ~std::uint64_t{0} >> (64 - bins);
      dropped |= words_[i] & ~possible;
      words_[i] &= possible;
      summary |= (words_[i] != 0 ? 1U : 0U) << i;
    }
    return std::exchange(summary_, summary) == summary && dropped == 0;
  }
  // The highest member, or none.
  [[nodiscard]] std::size_t last() const noexcept {
    if (summary_ == 0) return none;
    const auto word = static_cast<std::size_t>(std::bit_width(summary_)) - 1;
    return word * 64 + static_cast<std::size_t>(std::bit_width(words_[word])) - 1;
  }

 private:
  // Not a division where there is one word.
  [[nodiscard]] static constexpr std::size_t word_of(std::size_t bin) noexcept {
    return words == 1 ? 0 : bin / 64;
  }

  std::uint64_t words_[words] = {};
  std::uint32_t summary_ = 0;
};

using BinMap = BinSet<9>;  // 63 exact bins and 16 for each of 27 doublings

}  // namespace glassheap
