// pyramid.hpp: a row of numbers, and above it summaries of 16 numbers, of 16 * 16, and so on.
//
//     level 2   | s                       |     one number a group of 256
//     level 1   | s             s ...     |     one number a group of 16
//     level 0   | n n n ... n   n n n ... |     the row
//
// A search for the first number with some property goes down from the top: at each level to the
// first of sixteen children that has the property, which is found by one comparison of all sixteen.
// The Summary type defines the numbers, their summary and the property:
//
//     Number                  an integer; 0 is neutral
//     combine(a, b)           the summary of two, such as the larger one
//     of(group)               the summary of sixteen
//     depends_on(sum, number) true if `sum`, of a group, might differ without this number of it
//     matching(group, query)  bit i is set if group[i], of sixteen, has the property; a group's
//                             summary has it if and only if one of the group has
//
// Invariant. Each number above the row is the summary of the sixteen below it. Where other programs
// can overwrite them, a search still reads numbers of the pyramid alone; it may find none, or a
// number that does not match.
// Cost. A search O(log16 n); an update mostly O(1), at most O(log16 n); 1/15 more than the row.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "base/config.hpp"
#include "base/zeroed_array.hpp"
#include "glassheap/types.hpp"

namespace glassheap {

template <typename Summary>
class Pyramid {
 public:
  using Number = typename Summary::Number;
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t fan_out = 16;

  // A row of `count` zeros, at least one. Throws std::bad_alloc if and only if there is no memory.
  explicit Pyramid(std::size_t count, ArrayArena&& arena = {}) : Pyramid(count, arena) {}
  Pyramid(std::size_t count, ArrayArena& arena) : count_(count) {
    do {
      widths_[depth_] = round_up(count, fan_out);
      size_ += widths_[depth_++];
      count = (count + fan_out - 1) / fan_out;
    } while (count > 1);
    storage_ = arena.take<Number>(size_);
    Number* level = storage_.get();
    for (std::size_t i = 0; i < depth_; level += widths_[i++]) levels_[i] = level;
  }

  void clear() noexcept { glassheap::clear(storage_, size_); }
  [[nodiscard]] Size own_memory() const noexcept { return size_ * sizeof(Number); }
  // The numbers of the row. A search may find a place behind them, in a row that was overwritten.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

  [[nodiscard]] Number operator[](std::size_t i) const noexcept { return levels_[0][i]; }
  // The summary of the whole row.
  [[nodiscard]] Number all() const noexcept { return summary(depth_ - 1, 0); }

  // Combines number i with `value`. Updates the summaries above it, up to the first that stays as
  // it is.
  void include(std::size_t i, Number value) noexcept {
    for (std::size_t level = 0; level < depth_; ++level, i /= fan_out) {
      Number& number = levels_[level][i];
      const Number now = Summary::combine(number, value);
      if (now == number) return;
      number = now;
      crash_point();
    }
  }
  // Sets number i to `value`, which adds nothing to it: combine(old, value) is old. Updates the
  // summaries above it likewise.
  void set(std::size_t i, Number value) noexcept {
    if (levels_[0][i] == value) return;
    for (std::size_t level = 0; level < depth_; ++level) {
      const Number before = std::exchange(levels_[level][i], value);
      crash_point();
      i /= fan_out;
      if (level + 1 < depth_ && !Summary::depends_on(levels_[level + 1][i], before)) return;
      value = summary(level, i);
      if (level + 1 < depth_ && levels_[level + 1][i] == value) return;
    }
  }

  // The index of the first number that matches, or none.
  template <typename Query>
  [[nodiscard]] std::size_t first(Query query) const noexcept {
    return descend(depth_ - 1, 0, query);
  }
  // The same from i upwards: climbs until a group has a match on this side, then descends to it.
  template <typename Query>
  [[nodiscard]] std::size_t next(std::size_t i, Query query) const noexcept {
    for (std::size_t level = 0; level < depth_ && i < widths_[level]; ++level) {
      const std::size_t group = i / fan_out;
      const unsigned hits = matching(level, group, query) >> (i % fan_out) << (i % fan_out);
      if (hits != 0) {
        const std::size_t hit = group * fan_out + lowest(hits);
        return level == 0 ? hit : descend(level - 1, hit, query);
      }
      i = group + 1;
    }
    return none;
  }

 private:
  static constexpr std::size_t max_levels = 8;  // for 2^32 numbers

  [[nodiscard]] static std::size_t lowest(unsigned bits) noexcept {
    return static_cast<std::size_t>(std::countr_zero(bits));
  }
  template <typename Query>
  [[nodiscard]] unsigned matching(std::size_t level, std::size_t group,
                                  Query query) const noexcept {
    return Summary::matching(levels_[level] + group * fan_out, query);
  }
  [[nodiscard]] Number summary(std::size_t level, std::size_t group) const noexcept {
    return Summary::of(levels_[level] + group * fan_out);
  }
  template <typename Query>
  [[nodiscard]] std::size_t descend(std::size_t level, std::size_t group,
                                    Query query) const noexcept {
    for (; group * fan_out < widths_[level]; --level) {
      const unsigned hits = matching(level, group, query);
      if (hits == 0) return none;
      group = group * fan_out + lowest(hits);
      if (level == 0) return group;
    }
    return none;
  }

  std::size_t count_;
  std::size_t depth_ = 0;
  std::size_t size_ = 0;                          // numbers in all
  std::array<std::size_t, max_levels> widths_{};  // numbers of each level, in whole groups
  ZeroedArray<Number> storage_;
  std::array<Number*, max_levels> levels_{};
};

}  // namespace glassheap
