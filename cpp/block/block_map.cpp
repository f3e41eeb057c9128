#include "block/block_map.hpp"

#include <algorithm>

namespace glassheap {

BlockMap::BlockMap(Size region_size, ArrayArena arena)
    : arena_(arena),
      top_(region_size),
      region_size_(region_size),
      count_(MapRows::rows_for(granule(region_size))),
      storage_(arena_.take<MapRows::Row>(count_)),
      rows_(storage_.get(), granule(region_size)),
      tombstones_(count_, arena_) {}

Block BlockMap::block_around(Offset at) const noexcept {
  const Offset start = offset_of(rows_.start_below(granule(at) + 1));
  return block_at(start < region_size_ ? start : 0);
}

Offset BlockMap::used() const noexcept {
  Offset end = top_;
  for (Block last = free_ending_at(end); last; last = free_ending_at(end)) end = last.start;
  return end;
}

Size BlockMap::largest_free() const noexcept {
  Size largest = 0;
  for (Offset at = free_from(0); at != nowhere; at = free_from(at + granule_size))
    largest = std::max(largest, block_at(at).extent);
  return largest;
}

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
