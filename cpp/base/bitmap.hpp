// bitmap.hpp: a set of small integers that finds its neighbours fast.
//
// One bit a member; above it, summaries: bit i of a level says whether word i of the level below
// has any bit set. The nearest member on either side of a place is then at most two steps up and
// down a tree of fan-out 64, however far away it is: six levels serve 2^32 places.
//
//     level 1   | 1 0 1 ... |              one bit a word of level 0
//     level 0   | 0110.. | 0000.. | 1000.. |   one bit a member
//
// Most neighbours are near: next() and prev() look at 64 places at once, across the border between
// two words, and climb only if none is there. For the same reason set() and clear() keep the first
// summary without asking whether it changes: what cannot be foreseen is not made a branch.
//
// Invariant: a summary bit is set if and only if its word below is not zero.
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

  // A row of bits without summaries.
  [[nodiscard]] static bool test(const Word* words, std::size_t i) noexcept {
    return (words[i / word_bits] & bit(i)) != 0;
  }
  static void set(Word* words, std::size_t i) noexcept { words[i / word_bits] |= bit(i); }

  // The words that a set over 0 .. bits-1 needs, summaries included.
  // Around level 0 stand words that stay zero, for those who look across its ends.
  [[nodiscard]] static std::size_t words_for(std::size_t bits) noexcept;

  // An empty set over 0 .. bits-1 in `words`, which are words_for(bits) zeros that outlive it.
  Bitmap(Word* words, std::size_t bits) noexcept;

  [[nodiscard]] bool test(std::size_t i) const noexcept { return test(levels_[0], i); }
  // The members 64 * i to 64 * i + 63, the lowest in the lowest bit.
  [[nodiscard]] Word word(std::size_t i) const noexcept { return levels_[0][i]; }

  // i is no member yet; is one.
  void set(std::size_t i) noexcept {
    const std::size_t word = i / word_bits;
    levels_[0][word] |= bit(i);
    crash_point();
    Word& summary = levels_[1][word / word_bits];
    if (summary == 0) [[unlikely]]
      announce(word / word_bits);
    summary |= bit(word);
  }
  void clear(std::size_t i) noexcept {
    const std::size_t word = i / word_bits;
    const Word left = levels_[0][word] &= ~bit(i);
    crash_point();
    Word& summary = levels_[1][word / word_bits];
    summary &= ~(Word{left == 0} << (word % word_bits));
    if (summary == 0) [[unlikely]]
      retract(word / word_bits);
  }

  // Sixty-four members at once, in one store if they are others than before. The summaries are
  // wrong until sum_up(), which believes in nothing but level 0.
  void assign(std::size_t word, Word members) noexcept {
    if (levels_[0][word] == members) return;
    levels_[0][word] = members;
    crash_point();
  }
  void sum_up() noexcept;

  // The lowest member from i upwards, or none. i is at most the number of places.
  [[nodiscard]] std::size_t next(std::size_t i) const noexcept {
    const Word* const word = levels_[0] + i / word_bits;
    const std::size_t shift = i % word_bits;
    const Word from_here = word[0] >> shift | word[1] << 1 << (word_bits - 1 - shift);
    return from_here != 0 ? i + lowest(from_here) : next_word(i / word_bits + 1);
  }
  // The highest member from i, which is in range, downwards, or none.
  [[nodiscard]] std::size_t prev(std::size_t i) const noexcept {
    const Word* const word = levels_[0] + i / word_bits;
    const std::size_t shift = word_bits - 1 - i % word_bits;
    const Word up_to_here = word[0] << shift | word[-1] >> 1 >> (word_bits - 1 - shift);
    return up_to_here != 0 ? i - (word_bits - 1 - highest(up_to_here)) : prev_word(i / word_bits);
  }

 private:
  static constexpr std::size_t word_bits = 64;
  static constexpr std::size_t most_levels = 6;

  [[nodiscard]] static constexpr Word bit(std::size_t i) noexcept { return Word{1} << (i % 64); }
  [[nodiscard]] static constexpr std::size_t lowest(Word word) noexcept {
    return static_cast<std::size_t>(std::countr_zero(word));
  }
  [[nodiscard]] static constexpr std::size_t highest(Word word) noexcept {
    return word_bits - 1 - static_cast<std::size_t>(std::countl_zero(word));
  }

  // Beyond what is at hand: a word of the first summary has its first bit, has lost its last; the
  // nearest member in the words from `word` upwards, below `word` downwards.
  void announce(std::size_t summary) noexcept;
  void retract(std::size_t summary) noexcept;
  [[nodiscard]] std::size_t next_word(std::size_t word) const noexcept;
  [[nodiscard]] std::size_t prev_word(std::size_t word) const noexcept;

  std::array<Word*, most_levels> levels_{};
  std::size_t depth_ = 0;
  std::size_t bits_ = 0;
};

}  // namespace glassheap
