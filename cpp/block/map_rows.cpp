#include "block/map_rows.hpp"

namespace glassheap {
namespace {

constexpr std::size_t rows_of_level(std::size_t bits) noexcept { return (bits + 63) / 64; }

// 2, 4, 8, 16 and 32, and 1, as members.
constexpr MapRows::Word powers_of_two = 0x1'0001'0116;

}  // namespace

std::size_t MapRows::rows_for(std::size_t granules) noexcept {
  std::size_t bits = granules;
  std::size_t total = padding_before + rows_of_level(bits) + padding_after;
  do {
    bits = rows_of_level(bits);
    total += rows_of_level(bits);
  } while (bits > 64);
  return total;
}

// There is always a first summary, even of a single row.
MapRows::MapRows(Row* rows, std::size_t granules) noexcept {
  levels_[depth_] = rows + padding_before;
  std::size_t bits = widths_[depth_++] = rows_of_level(granules);
  rows += padding_before + bits + padding_after;
  do {
    levels_[depth_] = rows;
    rows += widths_[depth_] = rows_of_level(bits);
    bits = widths_[depth_++];
  } while (bits > 1);
}

// A word that has its bit already has its bits in the levels above, too.
void MapRows::summarize(std::size_t row, Column column) noexcept {
  for (std::size_t level = 1, i = row; level < depth_; ++level, i /= 64) {
    Word& above = levels_[level][i / 64].*column;
    if (has(above, i)) return;
    above |= bit(i);
    crash_point();
  }
}

void MapRows::assign(std::size_t row, Row bits) noexcept {
  Row& old = levels_[0][row];
  if (old.starts != bits.starts) old.starts = bits.starts;
  crash_point();
  if (old.free != bits.free) old.free = bits.free;
  crash_point();
}

void MapRows::rebuild_summaries() noexcept {
  std::fill_n(levels_[0] - padding_before, padding_before, Row{});
  std::fill_n(levels_[0] + widths_[0], padding_after, Row{});
  for (std::size_t level = 1; level < depth_; ++level) {
    std::fill_n(levels_[level], widths_[level], Row{});
    for (std::size_t i = 0; i < widths_[level - 1]; ++i) {
      const Row& below = levels_[level - 1][i];
      if (below.starts != 0) levels_[level][i / 64].starts |= bit(i);
      if (below.free != 0) levels_[level][i / 64].free |= bit(i);
    }
    crash_point();
  }
}

// Climbs while no bit is on this side, and descends where one is. Each step goes in the search's
// direction, or one level down at the same place: so it ends, whatever is written meanwhile. A bit
// that stands for no row of the level below was written by another program.
std::size_t MapRows::next_above_row(std::size_t row, Column column) const noexcept {
  for (std::size_t level = 1, i = row + 1; level < depth_ && i < widths_[level - 1];) {
    Word& summary = levels_[level][i / 64].*column;
    const Word from_here = summary >> (i % 64);
    if (from_here == 0) {
      i = i / 64 + 1;
      ++level;
      continue;
    }
    i += lowest(from_here);
    if (i >= widths_[level - 1]) return none;
    const Word found = levels_[level - 1][i].*column;
    if (found == 0) {
      summary &= ~bit(i++);
    } else if (--level == 0) {
      return i * 64 + lowest(found);
    } else {
      i *= 64;
    }
  }
  return none;
}

// The same downwards: i is the place above the next that is looked at.
std::size_t MapRows::prev_below_row(std::size_t row, Column column) const noexcept {
  for (std::size_t level = 1, i = row; level < depth_ && i > 0;) {
    const std::size_t last = i - 1;
    Word& summary = levels_[level][last / 64].*column;
    const Word up_to_here = summary << (63 - last % 64);
    if (up_to_here == 0) {
      i = last / 64;
      ++level;
      continue;
    }
    i -= distance_below(up_to_here);
    const Word found = levels_[level - 1][i].*column;
    if (found == 0) {
      summary &= ~bit(i);
    } else if (--level == 0) {
      return (i + 1) * 64 - distance_below(found);
    } else {
      i = (i + 1) * 64;  // never in the last row of the level, from which the climb began
    }
  }
  return none;
}

std::size_t MapRows::far_free_ending_at(std::size_t i) const noexcept {
  const std::size_t start = prev_below_row(i / row_granules, &Row::starts);
  return start != none && is_free(start) ? start : none;
}

void MapRows::remove_live(std::size_t first, std::size_t end) noexcept {
  Row* const last = &row_of(end);
  Word kept = bit(first) - 1;
  for (Row* row = &row_of(first); row != last; ++row, kept = 0) row->starts &= kept;
  last->starts &= kept | ~(bit(end) - 1);
}

// The rows behind the first are empty, so each gets one bit, and its summary likewise.
void MapRows::split(std::size_t i, std::size_t low, std::size_t granules) noexcept {
  for (std::size_t level = 0;; ++level, i /= 64, granules /= 64) {
    Row* const rows = levels_[level] + i / 64;
    const Word near = powers_of_two & lowest_bits(std::min<std::size_t>(granules, 64));
    if (low < 64) {
      rows[0].starts |= (near >> low << low) << i % 64;
      crash_point();
      rows[0].free |= (near >> low << low) << i % 64;
      crash_point();
    }
    if (granules <= 64) return;
    low = std::max<std::size_t>(low, 64) / 64;
    for (std::size_t row = low; 2 * row <= granules / 64; row *= 2) rows[row] = {1, 1};
    crash_point();
  }
}

void MapRows::merge(std::size_t i, std::size_t at, std::size_t granules) noexcept {
  std::size_t level = 0;
  for (; granules > 64; ++level, i /= 64, at /= 64, granules /= 64) {
    Row* const rows = levels_[level];
    for (std::size_t size = 1; size < granules / 64; size *= 2)
      rows[(at / 64 & ~(size - 1)) ^ size] = {};
    rows[at / 64] = {};
    rows[i / 64] = {1, 1};
    crash_point();
  }
  Row& row = levels_[level][i / 64];
  const Word others = (lowest_bits(granules) - 1) << i % 64;
  row.starts &= ~others;
  crash_point();
  row.free &= ~others;
  crash_point();
}

}  // namespace glassheap
