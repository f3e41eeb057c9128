// counters.hpp: Counters, the running sums of a heap. Every call updates them, so that statistics
// are free to read. Those of a shared heap lie in its segment. `requested` is live(t) of the
// literature: the bytes requested and not yet freed. `peak_used` is the high-water mark of used(t):
// the bytes from the start of the region to the end of its highest live block. Peak utilisation is
// peak_requested / peak_used.
#pragma once

#include <algorithm>

#include "glassheap/types.hpp"

namespace glassheap {

struct Counters {
  // Order matters: a compiler may load two adjacent sums in one instruction, which stalls if the
  // previous call has just stored them one by one. So `requested` and `taken` are apart.
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
    if (requested > peak_requested) [[unlikely]]
      peak_requested = requested;
    if (block.end() > peak_used) [[unlikely]]
      peak_used = block.end();
  }
  // Adds frees of blocks, and mallocs that took the same blocks. `more` is by how much these asked
  // for more bytes, and may wrap.
  void add_pairs(std::uint64_t pairs, Size more) noexcept {
    mallocs += pairs;
    frees += pairs;
    requested += more;
  }
  // A copy in which no sum is larger than a region of `size` bytes allows. Counters in a segment may
  // be anything after a stray write.
  [[nodiscard]] Counters confined(Size size) const noexcept {
    Counters sums = *this;
    sums.taken = std::min(sums.taken, size);
    sums.requested = std::min(sums.requested, sums.taken);
    sums.peak_requested = std::min(sums.peak_requested, size);
    sums.peak_used = std::min(sums.peak_used, size);
    return sums;
  }
  void subtract(Size size, Block block) noexcept {
    requested -= size;
    taken -= block.extent;
  }
};

}  // namespace glassheap
