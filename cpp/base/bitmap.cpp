#include "base/bitmap.hpp"

namespace glassheap {
namespace {

constexpr std::size_t padding_before = 1;  // words that stay zero, in front of level 0 and after it
constexpr std::size_t padding_after = 2;

constexpr std::size_t words_of_level(std::size_t bits) noexcept { return (bits + 63) / 64; }

}  // namespace

std::size_t Bitmap::words_for(std::size_t bits) noexcept {
  std::size_t total = padding_before + words_of_level(bits) + padding_after;
  do {
    bits = words_of_level(bits);
    total += words_of_level(bits);
  } while (bits > 64);
  return total;
}

// There is always a first summary, even of a single word.
Bitmap::Bitmap(Word* words, std::size_t bits) noexcept {
  levels_[depth_] = words + padding_before;
  bits = widths_[depth_++] = words_of_level(bits);
  words += padding_before + bits + padding_after;
  do {
    levels_[depth_] = words;
    words += widths_[depth_] = words_of_level(bits);
    bits = widths_[depth_++];
  } while (bits > 1);
}

void Bitmap::propagate_set(std::size_t summary) noexcept {
  for (std::size_t level = 2, i = summary; level < depth_; ++level, i /= word_bits) {
    Word& above = levels_[level][i / word_bits];
    const bool had_bits = above != 0;
    above |= bit(i);
    if (had_bits) return;
  }
}

void Bitmap::propagate_clear(std::size_t summary) noexcept {
  for (std::size_t level = 2, i = summary; level < depth_; ++level, i /= word_bits) {
    Word& above = levels_[level][i / word_bits];
    above &= ~bit(i);
    if (above != 0) return;
  }
}

// Climbs until a summary has a bit on this side, then descends to the member. A summary bit whose
// word is zero, or is none of the level, was written by another program.
std::size_t Bitmap::next_from_word(std::size_t word) const noexcept {
  for (std::size_t level = 1, i = word; level < depth_ && i < widths_[level - 1]; ++level) {
    const Word from_here = levels_[level][i / word_bits] >> (i % word_bits);
    if (from_here != 0) {
      i += lowest(from_here);
      while (level-- > 0) {
        const Word below = i < widths_[level] ? levels_[level][i] : 0;
        if (below == 0) return none;
        i = i * word_bits + lowest(below);
      }
      return i;
    }
    i = i / word_bits + 1;
  }
  return none;
}

std::size_t Bitmap::prev_below_word(std::size_t word) const noexcept {
  for (std::size_t level = 1, i = word; level < depth_ && i > 0; ++level, i /= word_bits) {
    const std::size_t last = i - 1;
    const Word up_to_here = levels_[level][last / word_bits] << (word_bits - 1 - last % word_bits);
    if (up_to_here != 0) {
      i = last - (word_bits - 1 - highest(up_to_here));
      while (level-- > 0) {
        const Word below = levels_[level][i];
        if (below == 0) return none;
        i = i * word_bits + highest(below);
      }
      return i;
    }
    i = last;
  }
  return none;
}

}  // namespace glassheap
