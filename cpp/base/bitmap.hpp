// bitmap.hpp: a set of small integers with fast search for the nearest member.
//
// One bit a member; above it, summaries: bit i of a level is set if word i of the level below is
// not zero. So the nearest member on either side of a place is at most one climb and one descent
// away in a tree of fan-out 64, however far off it is: six levels serve 2^32 places.
//
//     level 1   | 1 0 1 ... |                  one bit a word of level 0
//     level 0   | 0110.. | 0000.. | 1000.. |   one bit a member
//
// Most neighbours are near: next() and prev() test 64 places at once, across the border between
// two words, and climb only if none is a member. set() and clear() update the first summary
// without testing whether it changes: unpredictable conditions are not branched on.
//
// Invariant: a summary bit is set if and only if its word below is not zero. Another process may
// break it in memory that it shares: a search then still reads words of the set alone, ends, and
// goes in its direction; but it may miss members, or find a place in the padding.
// Cost: set, clear, next, prev O(log64 n); test O(1); 1/63 more memory than the bits alone.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/config.hpp"

namespace glassheap {

class Bitmap {
 public:
  using Word = std::uint64_t;
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  // The same for a plain array of bits, without summaries.
  [[nodiscard]] static bool test(const Word* words, std::size_t i) noexcept {
    return (words[i / word_bits] & bit(i)) != 0;
  }
  static void set(Word* words, std::size_t i) noexcept { words[i / word_bits] |= bit(i); }

  // The number of words for a set over 0 .. bits-1, summaries included. Level 0 is padded with
  // words that stay zero, so that next() and prev() may read past its ends.
  [[nodiscard]] static std::size_t words_for(std::size_t bits) noexcept;

  // A set over 0 .. bits-1 in `words`, which are words_for(bits) words and outlive it. It is empty
  // if they are zeros.
  Bitmap(Word* words, std::size_t bits) noexcept;

  [[nodiscard]] bool test(std::size_t i) const noexcept { return test(levels_[0], i); }

  // Adds i.
  void set(std::size_t i) noexcept {
    const std::size_t word = i / word_bits;
    levels_[0][word] |= bit(i);
    crash_point();
    Word& summary = levels_[1][word / word_bits];
    if (summary == 0) [[unlikely]]
      propagate_set(word / word_bits);
    summary |= bit(word);
  }
  // Removes i, which is a member.
  void clear(std::size_t i) noexcept {
    const std::size_t word = i / word_bits;
    const Word left = levels_[0][word] &= ~bit(i);
    crash_point();
    Word& summary = levels_[1][word / word_bits];
    summary &= ~(Word{left == 0} << (word % word_bits));
    if (summary == 0) [[unlikely]]
      propagate_clear(word / word_bits);
  }

  // The lowest member from i upwards, or none. i is at most the number of places.
  [[nodiscard]] std::size_t next(std::size_t i) const noexcept {
    const Word* const word = levels_[0] + i / word_bits;
    const std::size_t shift = i % word_bits;
    const Word from_here = word[0] >> shift | word[1] << 1 << (word_bits - 1 - shift);
    return from_here != 0 ? i + lowest(from_here) : next_from_word(i / word_bits + 1);
  }
  // The highest member from i downwards, or none. i is in range.
  [[nodiscard]] std::size_t prev(std::size_t i) const noexcept {
    const Word* const word = levels_[0] + i / word_bits;
    const std::size_t shift = word_bits - 1 - i % word_bits;
    const Word up_to_here = word[0] << shift | word[-1] >> 1 >> (word_bits - 1 - shift);
    return up_to_here != 0 ? i - (word_bits - 1 - highest(up_to_here))
                           : prev_below_word(i / word_bits);
  }

 private:
  static constexpr std::size_t word_bits = 64;
  static constexpr std::size_t max_levels = 6;

  [[nodiscard]] static constexpr Word bit(std::size_t i) noexcept { return Word{1} << (i % 64); }
  [[nodiscard]] static constexpr std::size_t lowest(Word word) noexcept {
    return static_cast<std::size_t>(std::countr_zero(word));
  }
  [[nodiscard]] static constexpr std::size_t highest(Word word) noexcept {
    return word_bits - 1 - static_cast<std::size_t>(std::countl_zero(word));
  }

  // The slow paths. Set, or clear, the bits above a word of the first summary that has got its
  // first bit, or lost its last one.
  void propagate_set(std::size_t summary) noexcept;
  void propagate_clear(std::size_t summary) noexcept;
  // The nearest member in the words from `word` upwards, or below `word`; or none.
  [[nodiscard]] std::size_t next_from_word(std::size_t word) const noexcept;
  [[nodiscard]] std::size_t prev_below_word(std::size_t word) const noexcept;

  std::array<Word*, max_levels> levels_{};
  std::array<std::size_t, max_levels> widths_{};  // words of each level, without padding
  std::size_t depth_ = 0;
};

}  // namespace glassheap
