#include <algorithm>

#include "glassheap/fault.hpp"

// The reason for an out_of_memory, as its numbers tell it.

namespace glassheap {

ShortageCause cause_of(const Fault& shortage) noexcept {
  const Shortage& s = shortage.shortage;
  const bool has_room = s.free_blocks != 0 && s.largest >= shortage.argument;
  if (has_room && s.align > granule_size) return ShortageCause::alignment;
  if (has_room && s.largest != 0) return ShortageCause::batch;
  if (!has_room && s.free_blocks > 1 && s.available >= shortage.argument)
    return ShortageCause::fragmentation;
  return ShortageCause::memory;
}

double fragmentation_index(Size requested, Size available, Size free_blocks) noexcept {
  if (free_blocks == 0 || requested == 0) return 0;
  const double fits = static_cast<double>(available) / static_cast<double>(requested);
  return std::max(0.0, 1 - (1 + fits) / static_cast<double>(free_blocks));
}

}  // namespace glassheap
