// map_rebuilder.hpp: writing the rows of a block map anew, from a list of blocks.
//
// The row of a chunk is collected first, and written when a block of a later chunk comes: so each
// word is written at most once, and a bit that is the same before and after is never different in
// between. A process that is killed meanwhile leaves a map that can be rebuilt again.
#pragma once

#include "block/map_rows.hpp"
#include "glassheap/types.hpp"

namespace glassheap {

class MapRebuilder {
 public:
  MapRebuilder(MapRows& rows, Size region_size) noexcept
      : rows_(rows), region_size_(region_size), top_(region_size) {}

  // The next block, in address order.
  void put(Block block, bool is_free) noexcept {
    const auto granule = static_cast<std::size_t>(block.start / granule_size);
    write_up_to(granule / MapRows::row_granules);
    const MapRows::Word bit = MapRows::Word{1} << granule % MapRows::row_granules;
    row_.starts |= bit;
    ++blocks_;
    if (!is_free) {
      ++live_;
    } else if (block.end() == region_size_) {
      top_ = block.start;
    } else {
      row_.free |= bit;
    }
  }
  // After the last block: `rows` is the number of rows.
  void finish(std::size_t rows) noexcept {
    write_up_to(rows);
    rows_.rebuild_summaries();
  }

  [[nodiscard]] Offset top() const noexcept { return top_; }
  [[nodiscard]] Size live() const noexcept { return live_; }
  [[nodiscard]] Size blocks() const noexcept { return blocks_; }

 private:
  void write_up_to(std::size_t next) noexcept {
    for (; chunk_ < next; ++chunk_, row_ = {}) rows_.assign(chunk_, row_);
  }

  MapRows& rows_;
  Size region_size_;
  Offset top_;
  Size live_ = 0;
  Size blocks_ = 0;  // free ones included
  std::size_t chunk_ = 0;
  MapRows::Row row_;
};

}  // namespace glassheap
