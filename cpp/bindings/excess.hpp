// excess.hpp: Excess, how much more of its region a heap takes than what is live in it, over time.
//
// These are the sums behind the first three measures of M. S. Johnstone and P. R. Wilson, "The Memory
// Fragmentation Problem: Solved?" (ISMM 1998). Time is counted in operations, and a moment at which
// nothing is live does not count. Sizes are in bytes.
#pragma once

#include "glassheap/types.hpp"

namespace glassheap::bindings {

// `used` bytes of a region of which `live` are live, after the operation `operation`.
struct Moment {
  Size live = 0;
  Size used = 0;
  std::int64_t operation = -1;

  [[nodiscard]] double ratio() const noexcept {
    return static_cast<double>(used) / static_cast<double>(live);
  }
};

struct Excess {
  double sum_of_ratios = 0;
  std::uint64_t moments = 0;
  Moment most_live;  // the first at which as much is live as ever
  Moment most_used;  // the same for what is used

  void add(const Moment& moment) noexcept {
    if (moment.live == 0) return;
    sum_of_ratios += moment.ratio();
    ++moments;
    if (moment.live > most_live.live) most_live = moment;
    if (moment.used > most_used.used) most_used = moment;
  }
};

}  // namespace glassheap::bindings
