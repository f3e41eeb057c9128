// map_rows.hpp: two bits for each granule of a region, side by side, and the nearest set one.
//
// One row has the bits of 64 granules (1 KiB): a word for "a block starts here", and a word for
// "that block is free". So one cache line answers all that is asked about a block and its near
// neighbours. Above the rows are summaries, which are rows too: bit i of a word is set if the same
// word of row i below is not zero.
//
//                 starts    free      starts    free      starts    free
//     level 1   | 11..    | 10..    |                                          a bit a row of level 0
//     level 0   | 1100..  | 0100..  | 0010..  | 0000..  | 0000..  | 0000..  |  a bit a granule
//                 row 0               row 1               row 2
//
// Near neighbours, up to 64 granules away, are found in two rows, without a loop and without a test
// of the region's ends: rows of zeros lie around level 0. Farther ones are found by the summaries,
// out of line: at most one climb and one descent in a tree of fan-out 64. Six levels serve 2^32
// granules.
//
// The summaries are lazy. Invariant: a word that is not zero has its bit in the level above. The
// reverse need not hold: removing a member touches no summary, and a search that finds a word of
// zeros behind its bit removes the bit and goes on. So each addition costs later searches one step
// at most.
//
// Few rows ever lose their last start, so a start tests whether it is the first of its row. Whether
// it is the first free bit cannot be foreseen, and is not branched on: its summary is written anyway.
//
// Another process may write anything into memory that it shares. A search then still reads these
// rows alone, ends, and goes in its direction; but it may miss members, or find one in the padding.
// Cost: search O(log64 n), amortised; all else O(1); 1/63 more memory than level 0.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/config.hpp"

namespace glassheap {

class MapRows {
 public:
  using Word = std::uint64_t;
  struct Row {
    Word starts = 0;
    Word free = 0;
    friend bool operator==(const Row&, const Row&) = default;
  };
  static constexpr std::size_t row_granules = 64;
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  // The number of rows for so many granules, with summaries and padding.
  [[nodiscard]] static std::size_t rows_for(std::size_t granules) noexcept;

  // Bits for 0 .. granules-1 in `rows`, which are rows_for(granules) rows and outlive this. No bit
  // is set if they are zeros.
  MapRows(Row* rows, std::size_t granules) noexcept;

  [[nodiscard]] const Row& operator[](std::size_t row) const noexcept { return levels_[0][row]; }

  // --- Queries. A granule is at most the number of granules. -------------------------------------

  [[nodiscard]] bool is_start(std::size_t i) const noexcept { return has(row_of(i).starts, i); }
  [[nodiscard]] bool is_free(std::size_t i) const noexcept { return has(row_of(i).free, i); }
  // Returns true if a block starts here that has no free bit.
  [[nodiscard]] bool is_start_only(std::size_t i) const noexcept {
    const Row& row = row_of(i);
    return has(row.starts & ~row.free, i);
  }

  // The nearest start above i or below i, or the nearest free bit; or none.
  [[nodiscard, gnu::always_inline]] std::size_t start_above(std::size_t i) const noexcept {
    return above<&Row::starts>(i);
  }
  [[nodiscard]] std::size_t free_above(std::size_t i) const noexcept {
    return above<&Row::free>(i);
  }
  [[nodiscard]] std::size_t start_below(std::size_t i) const noexcept {
    return below<&Row::starts>(i);
  }
  [[nodiscard]] std::size_t free_below(std::size_t i) const noexcept {
    return below<&Row::free>(i);
  }
  // The nearest start below i if its free bit is set; otherwise none.
  [[nodiscard, gnu::always_inline]] std::size_t free_ending_at(std::size_t i) const noexcept {
    const Word starts = up_to<&Row::starts>(i);
    const Word free = up_to<&Row::free>(i);
    if (starts == 0) [[unlikely]]
      return far_free_ending_at(i);
    return highest_is_free(starts, free) ? i - distance_below(starts) : none;
  }

  // All that is asked about a block at i whose neighbours are near.
  struct Vicinity {
    Word above;       // starts: bit k is granule i + k, for k from 1 on
    Word below;       // starts: bit 63 is granule i - 1
    Word free_below;  // free bits of the same granules
    bool is_live;     // a block starts at i, and has no free bit

    // In granules: from i to the next start, and from the start before to i. There must be one.
    [[nodiscard]] std::size_t extent() const noexcept { return lowest(above); }
    [[nodiscard]] std::size_t extent_before() const noexcept { return distance_below(below); }
    [[nodiscard]] bool is_free_before() const noexcept {
      return highest_is_free(below, free_below);
    }
  };
  // Each word is turned by i % 64. The bits of the granules above i are then the low ones of this
  // row and the high ones of the next, and so on.
  [[nodiscard]] Vicinity around(std::size_t i) const noexcept {
    const Row* const row = &row_of(i);
    const Word low = ~Word{0} >> (i % 64);
    const auto turned = [i](Word word) { return std::rotr(word, static_cast<int>(i % 64)); };
    const auto pick = [low](Word from_low, Word from_high) {
      return ((from_low ^ from_high) & low) ^ from_high;
    };
    const Word starts = turned(row[0].starts);
    const Word free = turned(row[0].free);
    return {.above = pick(starts, turned(row[1].starts)) & ~Word{1},
            .below = pick(turned(row[-1].starts), starts),
            .free_below = pick(turned(row[-1].free), free),
            .is_live = (starts & ~free & 1) != 0};
  }

  // --- Updates. ----------------------------------------------------------------------------------

  // The block at i is live, or free.
  void add_live(std::size_t i) noexcept { set_start(row_of(i), i); }
  void add_free(std::size_t i) noexcept {
    Row& row = row_of(i);
    set_start(row, i);
    set_free(row, i);
  }
  void remove_live(std::size_t i) noexcept { clear(row_of(i).starts, i); }
  void remove_free(std::size_t i) noexcept {
    Row& row = row_of(i);
    clear(row.starts, i);
    clear(row.free, i);
  }
  void make_free(std::size_t i) noexcept { set_free(row_of(i), i); }
  void make_live(std::size_t i) noexcept { clear(row_of(i).free, i); }

  // Removes the starts of all blocks from `first` on and below `end`. None is free.
  void remove_live(std::size_t first, std::size_t end) noexcept;

  // Replaces the words of a row, each in one store, and in none if it stays the same. The summaries
  // are stale until rebuild_summaries(), which reads level 0 alone.
  void assign(std::size_t row, Row bits) noexcept;
  void rebuild_summaries() noexcept;

  // For buddies, whose extents are powers of two, and divide their starts. `granules`, too, is a
  // power of two that divides i, where a block starts.
  //
  //     i  at                    granules
  //     1  .  .  .  .  .  .  .              alone among 8
  //     1  1  1  .  1  .  .  .              split(i, 1, 8)
  //     1  1  1  .  1  .  .  .              merge(i, at, 8) reverses it, from any `at` that is one
  //
  // Both words of a row change alike, once a row and not once a block.

  // Returns true if i is the only start among the granules from i on. If the summaries are stale,
  // the next start itself is looked for.
  [[nodiscard]] bool is_alone(std::size_t i, std::size_t granules) const noexcept {
    std::size_t level = 0;
    std::size_t at = i;
    std::size_t places = granules;
    for (; places > 64 && levels_[level][at / 64].starts == 1; at /= 64, places /= 64) ++level;
    const Word here = levels_[level][at / 64].starts >> at % 64;
    if (places <= 64 && (here & lowest_bits(places)) == 1) return true;
    return level != 0 && start_above(i) >= i + granules;
  }
  // Adds free blocks at i + low, i + 2 * low, i + 4 * low and so on, below i + granules. i is alone
  // among these, and its free bit is set.
  void split(std::size_t i, std::size_t low, std::size_t granules) noexcept;
  // Removes all blocks but i from the granules from i on. Beside i, whose free bit is set, these are
  // `at` and some of the buddies of the blocks around `at`.
  void merge(std::size_t i, std::size_t at, std::size_t granules) noexcept;

 private:
  using Column = Word Row::*;
  static constexpr std::size_t max_levels = 6;
  static constexpr std::size_t padding_before = 1;  // rows of zeros around level 0
  static constexpr std::size_t padding_after = 2;

  [[nodiscard]] static constexpr Word bit(std::size_t i) noexcept { return Word{1} << (i % 64); }
  // `count` ones, from 1 to 64.
  [[nodiscard]] static constexpr Word lowest_bits(std::size_t count) noexcept {
    return ~Word{0} >> (64 - count);
  }
  [[nodiscard]] static constexpr bool has(Word word, std::size_t i) noexcept {
    return (word >> (i % 64) & 1) != 0;
  }
  [[nodiscard]] static constexpr std::size_t lowest(Word word) noexcept {
    return static_cast<std::size_t>(std::countr_zero(word));
  }
  // Of the highest bit of a word whose bit 63 is the granule below some other.
  [[nodiscard]] static constexpr std::size_t distance_below(Word word) noexcept {
    return static_cast<std::size_t>(std::countl_zero(word)) + 1;
  }
  [[nodiscard]] Row& row_of(std::size_t i) const noexcept { return levels_[0][i / row_granules]; }

  // The bits of the 64 granules below i; bit 63 is that of i - 1.
  template <Column column>
  [[nodiscard]] Word up_to(std::size_t i) const noexcept {
    const Row* const row = &row_of(i);
    return row[0].*column << (63 - i % 64) << 1 | row[-1].*column >> (i % 64);
  }
  // Those of the 64 granules above i; bit 0 is that of i + 1.
  template <Column column>
  [[nodiscard, gnu::always_inline]] Word near_above(std::size_t i) const noexcept {
    const Row* const row = &row_of(i);
    return row[0].*column >> (i % 64) >> 1 | row[1].*column << (63 - i % 64);
  }
  // Returns true if the highest start has its free bit.
  [[nodiscard]] static constexpr bool highest_is_free(Word starts, Word free) noexcept {
    return free > (starts ^ free);
  }
  // In the same row and by the same shifts as all else about i, so that they are computed once.
  template <Column column>
  [[nodiscard, gnu::always_inline]] std::size_t above(std::size_t i) const noexcept {
    const Word near = near_above<column>(i);
    return near != 0 ? i + 1 + lowest(near) : next_above_row(i / row_granules, column);
  }
  template <Column column>
  [[nodiscard]] std::size_t below(std::size_t i) const noexcept {
    const Word near = up_to<column>(i);
    return near != 0 ? i - distance_below(near) : prev_below_row(i / row_granules, column);
  }

  // The summary first: no bit may lack its own.
  void set_start(Row& row, std::size_t i) noexcept {
    if (row.starts == 0) [[unlikely]]
      summarize(i / row_granules, &Row::starts);
    row.starts |= bit(i);
    crash_point();
  }
  void set_free(Row& row, std::size_t i) noexcept {
    Row& above = levels_[1][i / row_granules / 64];
    if (above.free == 0) [[unlikely]]
      summarize(i / row_granules, &Row::free);
    above.free |= bit(i / row_granules);
    crash_point();
    row.free |= bit(i);
    crash_point();
  }
  static void clear(Word& word, std::size_t i) noexcept {
    word &= ~bit(i);
    crash_point();
  }

  // The slow paths. Sets the bits above a row that is to get its first one.
  [[gnu::noinline]] void summarize(std::size_t row, Column column) noexcept;
  // The nearest granule in the rows above, or below, `row`; or none.
  [[nodiscard, gnu::noinline]] std::size_t next_above_row(std::size_t row,
                                                          Column column) const noexcept;
  [[nodiscard, gnu::noinline]] std::size_t prev_below_row(std::size_t row,
                                                          Column column) const noexcept;
  [[nodiscard, gnu::noinline]] std::size_t far_free_ending_at(std::size_t i) const noexcept;

  std::array<Row*, max_levels> levels_{};
  std::array<std::size_t, max_levels> widths_{};  // rows of each level, without padding
  std::size_t depth_ = 0;
};

}  // namespace glassheap
