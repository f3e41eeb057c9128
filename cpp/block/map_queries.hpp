// map_queries.hpp: MapQueries, what a block map tells (block_map.hpp has its structure).
//
// Every argument is the offset of a granule in the region. Queries change nothing that a query
// returns; a search may clear the summary bit of an empty row (map_rows.hpp).
#pragma once

#include <algorithm>

#include "base/bitmap.hpp"
#include "block/map_rows.hpp"
#include "block/tombstones.hpp"
#include "glassheap/types.hpp"

namespace glassheap {

class MapQueries {
 public:
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
    Vicinity(const MapQueries& map, Offset at) noexcept
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

  // Returns true if a block without payload was merged here (tombstones.hpp).
  [[nodiscard]] bool has_tombstone(Offset at) const noexcept {
    return tombstones_.has(granule(at));
  }

 protected:
  static constexpr std::size_t chunk_granules = MapRows::row_granules;

  MapQueries(Size region_size, ArrayArena arena);
  ~MapQueries() = default;

  [[nodiscard]] static constexpr std::size_t granule(Offset at) noexcept {
    return static_cast<std::size_t>(at / granule_size);
  }
  // Larger than any offset if `granule` is MapRows::none.
  [[nodiscard]] static constexpr Offset offset_of(std::size_t granule) noexcept {
    return granule * granule_size;
  }

  // The start of the block behind the one at `start`, or the end of the region.
  [[nodiscard, gnu::always_inline]] Offset next_start(Offset start) const noexcept {
    return std::min(offset_of(rows_.start_above(granule(start))), region_size_);
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
