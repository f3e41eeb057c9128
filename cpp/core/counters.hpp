// tally.hpp: the sums that a heap keeps as it goes, so that statistics cost nothing to ask for.
//
// `requested` is live(t) of the literature, the bytes asked for and not yet freed; `peak_used` is
// the high-water mark of used(t), the bytes from the region's start to the end of its highest live
// block. Their peaks give the peak utilisation, peak_requested / peak_used.
#pragma once

#include <algorithm>

#include "glassheap/types.hpp"

namespace glassheap {

struct Counters {
  // In this order, because two sums side by side tempt a compiler to load both at once, which
  // stalls when the call before has just stored them one by one.
  Size requested = 0;       // bytes
  Size peak_requested = 0;  // bytes
  Size taken = 0;           // bytes of live blocks, headers and rounding included
  Size peak_used = 0;       // bytes
  std::uint64_t mallocs = 0;
  std::uint64_t frees = 0;
  std::uint64_t reallocs = 0;
  std::uint64_t failures = 0;  // requests that no free block could serve

  void add(Size size, Block block) noexcept {
    requested += size;
    taken += block.extent;
    peak_requested = std::max(peak_requested, requested);
    peak_used = std::max(peak_used, block.end());
  }
  void subtract(Size size, Block block) noexcept {
    requested -= size;
    taken -= block.extent;
  }
};

}  // namespace glassheap
