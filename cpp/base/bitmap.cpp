#include "base/bitmap.hpp"

#include <algorithm>

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
Bitmap::Bitmap(Word* words, std::size_t bits) noexcept : bits_(bits) {
  levels_[depth_++] = words + padding_before;
  words += padding_before + words_of_level(bits) + padding_after;
  do {
    levels_[depth_++] = words;
    bits = words_of_level(bits);
    words += words_of_level(bits);
  } while (bits > 64);
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

void Bitmap::rebuild_summaries() noexcept {
  std::size_t below = words_of_level(bits_);
  std::fill_n(levels_[0] - padding_before, padding_before, Word{0});
  std::fill_n(levels_[0] + below, padding_after, Word{0});
  for (std::size_t level = 1; level < depth_; ++level) {
    const std::size_t width = words_of_level(below);
    std::fill_n(levels_[level], width, Word{0});
    for (std::size_t i = 0; i < below; ++i) {
      if (levels_[level - 1][i] != 0) levels_[level][i / word_bits] |= bit(i);
    }
    crash_point();
    below = width;
  }
}

// Climbs until a summary has a bit on this side, then descends to the member.
std::size_t Bitmap::next_from_word(std::size_t word) const noexcept {
  std::size_t width = words_of_level(bits_);
  for (std::size_t level = 1, i = word; level < depth_ && i < width; ++level) {
    const Word from_here = levels_[level][i / word_bits] >> (i % word_bits);
    if (from_here != 0) {
      i += lowest(from_here);
      while (level-- > 0) i = i * word_bits + lowest(levels_[level][i]);
      return i;
    }
    i = i / word_bits + 1;
    width = words_of_level(width);
  }
  return none;
}

std::size_t Bitmap::prev_below_word(std::size_t word) const noexcept {
  for (std::size_t level = 1, i = word; level < depth_ && i > 0; ++level, i /= word_bits) {
    const std::size_t last = i - 1;
    const Word up_to_here = levels_[level][last / word_bits] << (word_bits - 1 - last % word_bits);
    if (up_to_here != 0) {
      i = last - (word_bits - 1 - highest(up_to_here));
      while (level-- > 0) i = i * word_bits + highest(levels_[level][i]);
      return i;
    }
    i = last;
  }
  return none;
}

}  // namespace glassheap
