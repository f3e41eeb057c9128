// block_map.hpp: the start of each block, and which blocks are free, kept outside the blocks.
//
// A program can overwrite the bytes inside the region, but not this map, which lies elsewhere. So
// the map is the authority. A pointer is a block's only if a block starts there according to the
// map; a size in a header, or a link in a node, is trusted only if it agrees with the map.
//
// Structure: two bits per granule, "a block starts here" and "that block is free", side by side in
// rows of 64 granules (map_rows.hpp). The start of the top, the free block that ends where the
// region ends, is kept apart from the bits: allocations are cut from it, and merged back into it,
// more often than any other block, and it is found without reading a bit.
//
//     | live | free | live | live | top ..................... |
//     1      1      1      1      1 = top_                    region_size     starts
//     0      1      0      0      0                                           free
//
// Invariants: a block starts at the first granule of the region; a block extends to the next start,
// or to the end of the region; free is a subset of starts, without the top. top_ is the region's
// size if the last block is live. Cost: O(1) for blocks of up to 64 granules, otherwise O(log64 n)
// a call, unless noted; 1/64 of the region's size, and 1/63 of that for the summaries.
//
// What the map tells is in map_queries.hpp, how it changes is here.
//
// Shared memory holds the bits of a shared heap, and another program may write there. Whatever the
// bits are, a block that a query returns lies in the region, and a search goes in its direction.
#pragma once

#include "block/map_queries.hpp"
#include "block/map_rebuilder.hpp"

namespace glassheap {

class BlockMap : public MapQueries {
 public:
  // A map without blocks, for a region of `region_size` bytes. Throws std::bad_alloc if and only if
  // there is no memory for it. In borrowed memory it has the bits of an earlier map until clear().
  explicit BlockMap(Size region_size, ArrayArena arena = {}) : MapQueries(region_size, arena) {}

  // The source of this heap's arrays, those of the policy included.
  [[nodiscard]] ArrayArena& arena() const noexcept { return arena_; }
  // Calls visit(field) for each number that is kept beside the bits.
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    visit(top_);
    visit(live_);
    visit(blocks_);
  }
  // Returns true if these numbers are possible, and the top is where no other block starts. Wrong
  // ones become those of a map with no block.
  [[nodiscard]] bool confine_state() noexcept;

  // --- Updates. Each leaves the borders of all other blocks unchanged. ---------------------------

  // The same as make_live() and so on, for a block that does not end the region.
  void make_live_below_top(Block block) noexcept {
    ++live_;
    rows_.make_live(granule(block.start));
  }
  void make_free_below_top(Block block) noexcept {
    --live_;
    rows_.make_free(granule(block.start));
  }
  void add_free_below_top(Block block) noexcept {
    ++blocks_;
    rows_.add_free(granule(block.start));
  }
  void drop_free_below_top(Block block) noexcept {
    --blocks_;
    rows_.remove_free(granule(block.start));
  }

  // A free block becomes live.
  void make_live(Block block) noexcept {
    ++live_;
    unmark_free(block);
  }
  // A live block becomes free.
  void make_free(Block block) noexcept {
    --live_;
    mark_free(block);
  }
  // Adds a block that is split off the end of the one before it.
  void add_live(Block block) noexcept {
    ++live_;
    ++blocks_;
    rows_.add_live(granule(block.start));
  }
  void add_free(Block block) noexcept {
    ++blocks_;
    if (block.end() == region_size_) {
      rows_.add_live(granule(block.start));  // the top has no free bit
      top_ = block.start;
    } else {
      rows_.add_free(granule(block.start));
    }
  }
  // Removes a block that merges into the one before it.
  void drop_live(Block block) noexcept {
    --live_;
    --blocks_;
    rows_.remove_live(granule(block.start));
  }
  // The live blocks in `run`, of which there are `count`, become one.
  void join_live(Block run, Size count) noexcept {
    live_ -= count - 1;
    blocks_ -= count - 1;
    rows_.remove_live(granule(run.start) + 1, granule(run.end()));
  }
  void drop_free(Block block) noexcept {
    --blocks_;
    if (block.start == top_) {
      rows_.remove_live(granule(block.start));
      top_ = region_size_;
    } else {
      rows_.remove_free(granule(block.start));
    }
  }
  // The first bytes of the top become live, and `rest`, which may be no block, the top.
  void cut_top(Block rest) noexcept {
    ++live_;
    top_ = rest.start;
    if (!rest) return;
    ++blocks_;
    rows_.add_live(granule(rest.start));
  }
  // The live block in front of the top becomes part of it.
  void add_to_top(Block block) noexcept {
    --live_;
    --blocks_;
    rows_.remove_live(granule(top_));
    top_ = block.start;
  }
  // The free block in front of the top becomes part of it.
  void add_free_to_top(Block block) noexcept {
    --blocks_;
    rows_.make_live(granule(block.start));
    rows_.remove_live(granule(top_));
    top_ = block.start;
  }
  // The free block `block` has been extended to `whole`, over the block after it.
  void extend_free(Block block, Block whole) noexcept {
    if (whole.end() != region_size_) return;
    unmark_free(block);
    mark_free(whole);
  }
  // The free block `from`, a buddy, is halved down to a live one of `extent` bytes. That is at its
  // start; the upper halves are free.
  void halve(Block from, Size extent) noexcept {
    const std::size_t first = granule(from.start);
    ++live_;
    blocks_ += doublings(extent, from.extent);
    const bool was_top = from.start == top_;
    if (was_top) rows_.make_free(first);
    rows_.split(first, granule(extent), granule(from.extent));
    rows_.make_live(first);
    if (!was_top) return;
    top_ = from.start + from.extent / 2;
    rows_.make_live(granule(top_));
  }
  // A live block, a buddy, and all free ones on its way up to `whole` become that free block.
  void merge(Block block, Block whole) noexcept {
    const std::size_t first = granule(whole.start);
    --live_;
    blocks_ -= doublings(block.extent, whole.extent);
    rows_.make_free(first);
    rows_.merge(first, granule(block.start), granule(whole.extent));
    if (whole.end() != region_size_) return;
    rows_.make_live(first);
    top_ = whole.start;
  }
  void clear() noexcept;

  // Rebuilds the map from a list of blocks: visit(put) calls put(block, free) for each, in address
  // order. Each word is written at most once, so a bit that is the same before and after is never
  // different in between.
  template <typename Visit>
  void rebuild(Visit visit) noexcept {
    MapRebuilder rebuilder(rows_, region_size_);
    visit([&rebuilder](Block block, bool free) { rebuilder.put(block, free); });
    rebuilder.finish(chunks());
    top_ = rebuilder.top();
    live_ = rebuilder.live();
    blocks_ = rebuilder.blocks();
  }

  // Tombstones of blocks without payload (tombstones.hpp).
  void set_tombstone(Offset start) noexcept { tombstones_.set(granule(start)); }

 private:
  [[nodiscard]] static Size doublings(Size low, Size high) noexcept {
    return static_cast<Size>(std::bit_width(high)) - static_cast<Size>(std::bit_width(low));
  }

  void mark_free(Block block) noexcept {
    if (block.end() == region_size_) {
      top_ = block.start;
    } else {
      rows_.make_free(granule(block.start));
    }
  }
  void unmark_free(Block block) noexcept {
    if (block.start == top_) {
      top_ = region_size_;
    } else {
      rows_.make_live(granule(block.start));
    }
  }
};

}  // namespace glassheap
