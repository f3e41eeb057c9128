#include "block/block_map.hpp"

namespace glassheap {

bool BlockMap::confine_state() noexcept {
  const Size granules = region_size_ / granule_size;
  const bool possible =
      top_ <= region_size_ && top_ % granule_size == 0 && live_ <= blocks_ && blocks_ <= granules;
  const bool none_behind =
      possible &&
      (top_ == region_size_ || (rows_.is_start(granule(top_)) && next_start(top_) == region_size_));
  if (none_behind) return true;
  top_ = region_size_;
  live_ = blocks_ = 0;
  return false;
}

void BlockMap::clear() noexcept {
  glassheap::clear(storage_, count_);
  top_ = region_size_;
  live_ = blocks_ = 0;
  tombstones_.clear(arena_.is_shared());
}

}  // namespace glassheap
