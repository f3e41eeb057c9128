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
// Shared memory holds the bits of a shared heap, and another program may write there. Whatever the
// bits are, a block that a query returns lies in the region, and a search goes in its direction.
#pragma once

#include <algorithm>

#include "base/bitmap.hpp"
#include "base/zeroed_array.hpp"
#include "block/map_rebuilder.hpp"
#include "block/map_rows.hpp"
#include "block/tombstones.hpp"
#include "glassheap/types.hpp"

namespace glassheap {

class BlockMap {
 public:
  // A map without blocks, for a region of `region_size` bytes. Throws std::bad_alloc if and only if
  // there is no memory for it. In borrowed memory it has the bits of an earlier map until clear().
  explicit BlockMap(Size region_size, ArrayArena arena = {});

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

  // --- Queries. Every argument is the offset of a granule in the region. -------------------------

  [[nodiscard]] bool free_at(Offset at) const noexcept {
    return at == top_ || rows_.is_free(granule(at));
  }
  [[nodiscard]] bool live_at(Offset at) const noexcept {
    return rows_.is_start_only(granule(at)) && at != top_;
  }

  // The block that starts at `start`, which must be the start of one.
  [[nodiscard, gnu::always_inline]] Block block_at(Offset start) const noexcept {
    if (start == top_) return top();
    return {start, next_start(start) - start};
  }
  // The block that contains the byte at `at`, which is in the region.
  [[nodiscard]] Block block_around(Offset at) const noexcept;
  // The free block that ends where the region ends; no block if the last one is live.
  [[nodiscard]] Block top() const noexcept { return {top_, region_size_ - top_}; }

  // The free block that starts, or ends, exactly at `at`; no block if there is none.
  [[nodiscard]] Block free_starting_at(Offset at) const noexcept {
    if (at == top_) return top();
    return rows_.is_free(granule(at)) ? block_at(at) : Block{};
  }
  [[nodiscard]] Block free_ending_at(Offset at) const noexcept {
    if (at - 1 >= region_size_ - 1) [[unlikely]]  // one compare for both ends
      return at == 0 ? Block{} : top();
    const Offset left = offset_of(rows_.free_ending_at(granule(at)));
    return left < at ? Block{left, at - left} : Block{};
  }

  // All that is asked about a live block whose neighbours start near it. Neither it nor the block
  // before it is the top.
  class Vicinity {
   public:
    Vicinity(const BlockMap& map, Offset at) noexcept
        : at_(at), bits_(map.rows_.around(granule(at))) {}

    // Returns true if a live block starts here, and the next one is near.
    [[nodiscard]] explicit operator bool() const noexcept {
      return bits_.is_live && bits_.above != 0;
    }
    [[nodiscard]] Block block() const noexcept { return {at_, offset_of(bits_.extent())}; }
    // Returns true if the block before it starts near.
    [[nodiscard]] bool has_near_before() const noexcept { return bits_.below != 0; }
    // The free block before it, if that is near; otherwise no block.
    [[nodiscard]] Block free_before() const noexcept {
      if (!bits_.is_free_before()) return {};
      const Size extent = offset_of(bits_.extent_before());
      return {at_ - extent, extent};
    }

   private:
    Offset at_;
    MapRows::Vicinity bits_;
  };
  [[nodiscard]] Vicinity around(Offset at) const noexcept { return {*this, at}; }

  // The free block, not the top, that starts at `at`.
  [[nodiscard]] Block free_starting_below_top(Offset at) const noexcept {
    return rows_.is_free(granule(at)) ? Block{at, next_start(at) - at} : Block{};
  }
  // Returns true if any block starts in the chunk of `at`.
  [[nodiscard]] bool has_starts_around(Offset at) const noexcept {
    return starts_word(chunk_of(at)) != 0;
  }

  // Returns true if `block` is a free block. Its extent is a power of two that divides its start,
  // and no free block there is larger. If it is no block of the region, the answer is no.
  [[nodiscard]] bool is_free(Block block) const noexcept {
    if (block.start == top_) return block == top();
    return block.end() <= region_size_ && rows_.is_free(granule(block.start)) &&
           rows_.is_alone(granule(block.start), granule(block.extent));
  }

  // The start of the nearest free block below `at`, or at or above `from`; `nowhere` if none.
  [[nodiscard]] Offset free_before(Offset at) const noexcept {
    if (at > top_) return top_;
    const Offset before = offset_of(rows_.free_below(granule(at)));
    return before < at ? before : nowhere;
  }
  // The start of the nearest free block above `block`, which is in the region.
  [[nodiscard]] Offset free_after(Block block) const noexcept {
    if (block.start >= top_) return nowhere;
    const Offset next = offset_of(rows_.free_above(granule(block.end()) - 1));
    if (next < top_) return next;
    return top_ != region_size_ ? top_ : nowhere;
  }
  [[nodiscard]] Offset free_from(Offset from) const noexcept {
    if (from < top_ && rows_.is_free(granule(from))) return from;
    const Offset next = from < top_ ? offset_of(rows_.free_above(granule(from))) : nowhere;
    if (next < top_) return next;
    return from <= top_ && top_ != region_size_ ? top_ : nowhere;
  }

  // The region in chunks of 64 granules, one row of the map each; for indexes by chunk.
  [[nodiscard]] static constexpr std::size_t chunk_of(Offset at) noexcept {
    return granule(at) / chunk_granules;
  }
  [[nodiscard]] std::size_t chunks() const noexcept {
    return chunk_of(region_size_ - granule_size) + 1;
  }
  // A bit for each granule of a chunk at which a free block other than the top starts.
  [[nodiscard]] Bitmap::Word free_word(std::size_t chunk) const noexcept {
    return rows_[chunk].free;
  }
  // Those of them with another block's start so many bytes higher, fewer than a chunk has. A free
  // block of exactly that extent is one of them.
  [[nodiscard]] Bitmap::Word free_word_before_starts(std::size_t chunk,
                                                     Size extent) const noexcept {
    const std::size_t shift = granule(extent);
    const Bitmap::Word high = rows_[chunk + 1].starts << 1 << (chunk_granules - 1 - shift);
    return rows_[chunk].free & (rows_[chunk].starts >> shift | high);
  }
  // A bit for each granule of a chunk at which a block starts.
  [[nodiscard]] Bitmap::Word starts_word(std::size_t chunk) const noexcept {
    return rows_[chunk].starts;
  }
  // The block of the lowest of `bits`, which are some of these. A bit behind the region's end, which
  // another program has written, gives a block that is larger than the region.
  [[nodiscard]] Block block_of_bit(std::size_t chunk, Bitmap::Word bits) const noexcept {
    const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
    return block_at(offset_of(chunk * chunk_granules + bit));
  }
  // `block`, or no block if that is not in the region.
  [[nodiscard]] Block confined(Block block) const noexcept {
    return block.end() <= region_size_ && block.extent <= region_size_ ? block : Block{};
  }
  // The block of the highest of these.
  [[nodiscard]] Block last_free_in(std::size_t chunk) const noexcept {
    return confined(block_of_bit(chunk, std::bit_floor(free_word(chunk))));
  }

  // The end of the highest live block; 0 if there is none.
  [[nodiscard]] Offset used() const noexcept;
  // The extent of the largest free block, 0 if there is none; O(n) in the free blocks.
  [[nodiscard, gnu::cold]] Size largest_free() const noexcept;

  [[nodiscard]] Size own_memory() const noexcept {
    return count_ * sizeof(MapRows::Row) + tombstones_.own_memory();
  }
  // Calls visit(offset) for each block start in these chunks, the lowest first.
  template <typename Visit>
  void for_each_start(std::size_t first_chunk, std::size_t last_chunk, Visit visit) const {
    for (std::size_t chunk = first_chunk; chunk <= last_chunk; ++chunk) {
      for (Bitmap::Word bits = starts_word(chunk); bits != 0; bits &= bits - 1) {
        const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
        const Offset at = offset_of(chunk * chunk_granules + bit);
        if (at < region_size_) visit(at);  // a stray write may set bits behind the region
      }
    }
  }
  // True if the bit says so: the top has none.
  [[nodiscard]] bool has_free_bit(Offset at) const noexcept { return rows_.is_free(granule(at)); }
  [[nodiscard]] Size region_size() const noexcept { return region_size_; }
  // Counts, never more than the blocks that fit, so that a list may be made for as many.
  [[nodiscard]] Size live_blocks() const noexcept { return std::min(live_, most_blocks()); }
  [[nodiscard]] Size free_blocks() const noexcept {
    return std::min(blocks_ - live_, most_blocks());
  }
  [[nodiscard]] Size blocks() const noexcept { return live_blocks() + free_blocks(); }
  [[nodiscard]] Size most_blocks() const noexcept { return region_size_ / granule_size; }

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
  [[nodiscard]] bool has_tombstone(Offset at) const noexcept {
    return tombstones_.has(granule(at));
  }

 private:
  static constexpr std::size_t chunk_granules = MapRows::row_granules;

  [[nodiscard]] static constexpr std::size_t granule(Offset at) noexcept {
    return static_cast<std::size_t>(at / granule_size);
  }
  // Larger than any offset if `granule` is MapRows::none.
  [[nodiscard]] static constexpr Offset offset_of(std::size_t granule) noexcept {
    return granule * granule_size;
  }

  [[nodiscard]] static Size doublings(Size low, Size high) noexcept {
    return static_cast<Size>(std::bit_width(high)) - static_cast<Size>(std::bit_width(low));
  }

  // The start of the block behind the one at `start`, or the end of the region.
  [[nodiscard, gnu::always_inline]] Offset next_start(Offset start) const noexcept {
    return std::min(offset_of(rows_.start_above(granule(start))), region_size_);
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

  mutable ArrayArena arena_;
  Offset top_;
  Size region_size_;
  std::size_t count_;  // of rows
  ZeroedArray<MapRows::Row> storage_;
  MapRows rows_;
  Tombstones tombstones_;
  Size live_ = 0;    // blocks
  Size blocks_ = 0;  // free ones included, and the top
};

}  // namespace glassheap
