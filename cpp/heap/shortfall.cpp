#include "heap/shortfall.hpp"

#include <algorithm>

namespace glassheap {
namespace {

using Rows = std::span<const Census::Row>;

// Where a block for the request would end, if it had all bytes from the address `start` on.
Address end_from(const Wanted& wanted, Address start) {
  const Layout& layout = wanted.layout;
  const Address payload = round_up(layout.payload_of(start), wanted.align);
  return layout.start_of(payload) + layout.extent_for(wanted.size);
}

// Sums over any run of blocks.
class Sums {
 public:
  explicit Sums(Rows rows) : rows_(rows), bytes_(rows.size() + 1), blocks_(rows.size() + 1) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool live = rows[i].block.live;
      bytes_[i + 1] = bytes_[i] + (live ? rows[i].block.size : 0);
      blocks_[i + 1] = blocks_[i] + (live ? 1 : 0);
    }
  }
  // The release of the live blocks from `first` up to, and not including, `last`.
  [[nodiscard]] Release of(std::size_t first, std::size_t last) const {
    while (first + 1 < last && !rows_[first].block.live) ++first;
    return {.bytes = bytes_[last] - bytes_[first],
            .blocks = blocks_[last] - blocks_[first],
            .first = rows_[first].block.address};
  }

 private:
  Rows rows_;
  std::vector<Size> bytes_;
  std::vector<Size> blocks_;
};

// The better of what was found and of what is offered: fewer bytes, then fewer blocks.
void improve(std::optional<Release>& best, const Release& release) {
  if (best && (best->bytes < release.bytes ||
               (best->bytes == release.bytes && best->blocks <= release.blocks)))
    return;
  best = release;
}

Address end_of(const BlockInfo& block) { return block.start + block.extent; }

std::optional<Release> by_windows(Rows rows, const Wanted& wanted) {
  const Sums sums(rows);
  std::optional<Release> best;
  std::size_t last = 0;
  for (std::size_t first = 0; first < rows.size(); ++first) {
    const Address end = end_from(wanted, rows[first].block.start);
    while (last < rows.size() && end_of(rows[last].block) < end) ++last;
    if (last == rows.size()) break;
    improve(best, sums.of(first, last + 1));
  }
  return best;
}

// Without merging, windows of one block are all that there is; the end of one may lie behind that of
// the next.
std::optional<Release> by_single_blocks(Rows rows, const Wanted& wanted) {
  const Sums sums(rows);
  std::optional<Release> best;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (end_from(wanted, rows[i].block.start) <= end_of(rows[i].block))
      improve(best, sums.of(i, i + 1));
  }
  return best;
}

// The place of a buddy of `extent` bytes in which `block` starts, and the release that frees it.
void try_buddy(Rows rows, const Sums& sums, const Wanted& wanted, Size extent, std::size_t at,
               std::optional<Release>& best) {
  const Address start = wanted.first + round_down(rows[at].block.start - wanted.first, extent);
  const Address end = start + extent;
  if (end > end_of(rows.back().block) || end_from(wanted, start) > end) return;
  const auto begins_at = [](const Census::Row& row) { return row.block.start; };
  const auto behind_first = std::ranges::upper_bound(rows, start, {}, begins_at);
  const auto behind_last = std::ranges::lower_bound(rows, end, {}, begins_at);
  improve(best, sums.of(static_cast<std::size_t>(behind_first - rows.begin()) - 1,
                        static_cast<std::size_t>(behind_last - rows.begin())));
}

std::optional<Release> by_buddies(Rows rows, const Wanted& wanted) {
  const Sums sums(rows);
  std::optional<Release> best;
  const Size least = wanted.layout.extent_for(wanted.size);
  const Size region = rows.empty() ? 0 : end_of(rows.back().block) - wanted.first;
  const Size most = wanted.align == granule_size ? std::min(least, region) : region;
  for (Size extent = least; extent <= most; extent *= 2) {
    for (std::size_t at = 0; at < rows.size(); ++at)
      try_buddy(rows, sums, wanted, extent, at, best);
  }
  return best;
}

}  // namespace

std::optional<Release> cheapest_release(Rows rows, const Wanted& wanted) {
  if (wanted.size > largest_region) return std::nullopt;
  if (wanted.layout.powers_of_two) return by_buddies(rows, wanted);
  return wanted.merges ? by_windows(rows, wanted) : by_single_blocks(rows, wanted);
}

}  // namespace glassheap
