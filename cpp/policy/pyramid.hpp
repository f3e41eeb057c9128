// pyramid.hpp: a row of numbers; above it the largest of each 32, of 32 * 32, and so on.
//
//     root      | m |                           the largest of all
//     level 1   | m             m ... |         one number for 32 of the row; the top, of 128 at most
//     level 0   | n n n ... n   n n n ... |     the row
//
// A search for the first number that is large enough goes down from the top: at each level to the
// first of 32 children that is, which is found in one cache line (max_group.hpp).
//
// Invariant. Each number above the row is the largest of the 32 below it, and the root that of the
// top. Where other programs can overwrite them, a search still reads numbers of the pyramid alone;
// it may find none, or a number that is too small.
// Cost. A search O(log32 n); an update mostly O(1), at most O(log32 n); 1/31 more than the row.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "base/config.hpp"
#include "base/zeroed_array.hpp"
#include "glassheap/types.hpp"
#include "policy/max_group.hpp"

namespace glassheap {

class Pyramid {
 public:
  using Number = max_group::Number;  // at least 0
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t fan_out = max_group::size;

  // A row of `count` zeros, at least one. Throws std::bad_alloc if and only if there is no memory.
  explicit Pyramid(std::size_t count, ArrayArena&& arena = {}) : Pyramid(count, arena) {}
  Pyramid(std::size_t count, ArrayArena& arena) : count_(count) {
    std::size_t size = 0;
    for (;; count = groups_of(count)) {
      size += levels_[depth_++].width = groups_of(count) * fan_out;
      if (count <= widest_top) break;
    }
    size_ = size + 2 * fan_out;  // the root, and the alignment
    storage_ = arena.take<Number>(size_);
    root_ = aligned(storage_.get());
    Number* next = root_ + fan_out;
    for (std::size_t i = 0; i < depth_; next += levels_[i++].width) levels_[i].numbers = next;
  }

  void clear() noexcept { glassheap::clear(storage_, size_); }
  [[nodiscard]] Size own_memory() const noexcept { return size_ * sizeof(Number); }
  // The numbers of the row. A search may find a place behind them, in a row that was overwritten.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  [[nodiscard]] Number operator[](std::size_t i) const noexcept { return levels_[0].numbers[i]; }
  // The largest of all.
  [[nodiscard]] Number all() const noexcept { return *root_; }

  // Raises number i to `value`, if it is smaller; and those above it, up to the first that is not.
  void raise(std::size_t i, Number value) noexcept {
    for (std::size_t level = 0; level < depth_; ++level, i /= fan_out) {
      const Number number = levels_[level].numbers[i];
      if (number >= value) return;
      max_group::put(levels_[level].numbers, i, value);
      crash_point();
    }
    *root_ = std::max(*root_, value);
    crash_point();
  }
  // Sets number i to `value`, which is smaller. A number above it changes only if it was as large
  // as the old one.
  void lower(std::size_t i, Number value) noexcept {
    const Number before = levels_[0].numbers[i];
    for (std::size_t level = 0; value != before; value = largest(level++, i)) {
      max_group::put(levels_[level].numbers, i, value);
      crash_point();
      i /= fan_out;
      if (level + 1 == depth_) {
        lower_root(before);
        return;
      }
      if (levels_[level + 1].numbers[i] != before) return;
    }
  }

  // The index of the first number that is at least `least`, which is positive; or none.
  [[nodiscard]] std::size_t first(Number least) const noexcept {
    const std::size_t top = depth_ - 1;
    for (std::size_t i = 0; i < levels_[top].width; i += fan_out) {
      const std::uint32_t hits = matching(top, i / fan_out, least);
      if (hits != 0) return descend(top, i + lowest(hits), least);
    }
    return none;
  }
  // The same from i upwards: climbs until a group has such a number on this side, then descends.
  [[nodiscard]] std::size_t next(std::size_t i, Number least) const noexcept {
    std::size_t level = 0;
    while (i < levels_[level].width) {
      const std::size_t group = i / fan_out;
      const std::uint32_t hits = matching(level, group, least) >> (i % fan_out) << (i % fan_out);
      if (hits != 0) return descend(level, group * fan_out + lowest(hits), least);
      i = group + 1;
      if (level + 1 == depth_) {
        i *= fan_out;  // the next group of the top
      } else {
        ++level;
      }
    }
    return none;
  }

 private:
  struct Level {
    Number* numbers;
    std::size_t width;  // in whole groups
  };
  static constexpr std::size_t max_levels = 8;  // for 2^42 numbers
  static constexpr std::size_t widest_top = 4 * fan_out;

  [[nodiscard]] static constexpr std::size_t groups_of(std::size_t count) noexcept {
    return (count + fan_out - 1) / fan_out;
  }
  [[nodiscard]] static Number* aligned(Number* numbers) noexcept {
    constexpr std::size_t group_bytes = fan_out * sizeof(Number);
    const auto address = reinterpret_cast<std::uintptr_t>(numbers);
    const std::size_t skipped = (round_up(address, group_bytes) - address) / sizeof(Number);
    return numbers + skipped;
  }
  [[nodiscard]] static std::size_t lowest(std::uint32_t bits) noexcept {
    return static_cast<std::size_t>(std::countr_zero(bits));
  }
  [[nodiscard]] std::uint32_t matching(std::size_t level, std::size_t group,
                                       Number least) const noexcept {
    return max_group::matching(levels_[level].numbers + group * fan_out, least);
  }
  [[nodiscard]] Number largest(std::size_t level, std::size_t group) const noexcept {
    return max_group::of(levels_[level].numbers + group * fan_out);
  }
  // A number of the top that was `before` is smaller.
  void lower_root(Number before) noexcept {
    if (*root_ != before) return;
    Number most = 0;
    for (std::size_t i = 0; i < levels_[depth_ - 1].width; i += fan_out)
      most = std::max(most, largest(depth_ - 1, i / fan_out));
    *root_ = most;
    crash_point();
  }
  // The first number of the row that is large enough below place i of a level, which is.
  [[nodiscard]] std::size_t descend(std::size_t level, std::size_t i, Number least) const noexcept {
    while (level-- != 0) {
      if (i * fan_out >= levels_[level].width) return none;
      const std::uint32_t hits = matching(level, i, least);
      if (hits == 0) return none;
      i = i * fan_out + lowest(hits);
    }
    return i;
  }

  std::size_t count_;
  std::size_t depth_ = 0;
  std::size_t size_ = 0;  // numbers in all
  ZeroedArray<Number> storage_;
  Number* root_ = nullptr;
  std::array<Level, max_levels> levels_{};
};

}  // namespace glassheap
