#include "block/map_queries.hpp"

#include <algorithm>

namespace glassheap {

MapQueries::MapQueries(Size region_size, ArrayArena arena)
    : arena_(arena),
      top_(region_size),
      region_size_(region_size),
      count_(MapRows::rows_for(granule(region_size))),
      storage_(arena_.take<MapRows::Row>(count_)),
      rows_(storage_.get(), granule(region_size)),
      tombstones_(count_, arena_) {}

Block MapQueries::block_around(Offset at) const noexcept {
  const Offset start = offset_of(rows_.start_below(granule(at) + 1));
  return block_at(start < region_size_ ? start : 0);
}

Offset MapQueries::used() const noexcept {
  Offset end = top_;
  for (Block last = free_ending_at(end); last; last = free_ending_at(end)) end = last.start;
  return end;
}

Size MapQueries::largest_free() const noexcept {
  Size largest = 0;
  for (Offset at = free_from(0); at != nowhere; at = free_from(at + granule_size))
    largest = std::max(largest, block_at(at).extent);
  return largest;
}

}  // namespace glassheap
