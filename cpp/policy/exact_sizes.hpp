// exact_sizes.hpp: the small free blocks in order of size, and of address among equals.
//
// Problem. Best fit wants the smallest block that is large enough, and the lowest of equals.
//
// Structure. The extent of a free block of fewer than 64 granules (1 KiB) is a number from 1 to 63.
// One set of bits has a place for each such number and each pair of chunks of the region, two rows
// of the block map (2 KiB). The places are in best fit's own order: all pairs for the smallest
// extent, then all for the next. So the first member from a place upwards is both the smallest
// extent that exists and the lowest pair that has it. The block itself is found in the map: it is
// free, and the next start is so many granules away.
//
//     extent          1               2               3                granules
//     sizes     | 0 1 0 0 ... | 0 0 0 0 ... | 1 0 1 0 ... | ...        one bit a pair of chunks
//     map       | 0110 | 0 | ...                                       two rows a pair of chunks
//
// Invariant. A bit is set if and only if a free block of that extent starts in its pair of chunks,
// the top not counted.
// Cost. O(log64 n) a call; 8 bytes a pair and 1/63 of that: 0.40 % of the region.
#pragma once

#include "block/block_map.hpp"

namespace glassheap {

class ExactSizes {
 public:
  // Only extents below this, in bytes, are kept here.
  static constexpr Size limit = 64 * granule_size;

  // Empty. Throws std::bad_alloc if and only if there is no memory for it.
  explicit ExactSizes(const BlockMap& map)
      : map_(map),
        pairs_((map.chunks() + 1) / 2),
        words_(Bitmap::words_for(places())),
        storage_(map.arena().take<Bitmap::Word>(words_)),
        sizes_(storage_.get(), places()) {}

  void clear() noexcept { glassheap::clear(storage_, words_); }
  [[nodiscard]] Size own_memory() const noexcept { return words_ * sizeof(Bitmap::Word); }

  // A free block below the limit, not the top. The map already has the one to add, no longer the
  // one to remove.
  void add(Block block) noexcept { sizes_.set(place_of(block)); }
  [[gnu::noinline]] void remove(Block block) noexcept {
    if (!lowest_in(pair_of(block.start), {0, block.extent})) sizes_.clear(place_of(block));
  }

  // The first block, in order of size and then of address, that has more bytes than `key`, or as
  // many and starts at or after it; no block if there is none below the limit.
  [[nodiscard, gnu::noinline]] Block first(Block key) const noexcept {
    if (key.start >= map_.region_size()) return {};
    std::size_t place = place_of(key);
    if (key.start != 0) {
      if (const Block block = lowest_in(pair_of(key.start), key)) return block;
      ++place;
    }
    place = sizes_.next(place);
    return place < places() ? lowest_in(place % pairs_, {0, extent_of(place)}) : Block{};
  }
  // The extent of the largest; 0 if there is none.
  [[nodiscard]] Size largest() const noexcept {
    const std::size_t place = sizes_.prev(places() - 1);
    return place < places() ? extent_of(place) : 0;
  }

 private:
  [[nodiscard]] static constexpr std::size_t pair_of(Offset at) noexcept {
    return BlockMap::chunk_of(at) / 2;
  }
  [[nodiscard]] std::size_t places() const noexcept { return limit / granule_size * pairs_; }
  [[nodiscard]] std::size_t place_of(Block block) const noexcept {
    return block.extent / granule_size * pairs_ + pair_of(block.start);
  }
  [[nodiscard]] Size extent_of(std::size_t place) const noexcept {
    return place / pairs_ * granule_size;
  }

  // The lowest free block of exactly the key's extent that starts in the pair, at or after the key.
  [[nodiscard]] Block lowest_in(std::size_t pair, Block key) const noexcept {
    const std::size_t end = std::min(2 * pair + 2, map_.chunks());
    for (std::size_t chunk = 2 * pair; chunk < end; ++chunk) {
      auto bits = map_.free_word_before_starts(chunk, key.extent);
      for (; bits != 0; bits &= bits - 1) {
        const Block block = map_.block_of_bit(chunk, bits);
        if (block.extent == key.extent && block.start >= key.start) return block;
      }
    }
    return {};
  }

  const BlockMap& map_;
  std::size_t pairs_;  // of chunks
  std::size_t words_;
  ZeroedArray<Bitmap::Word> storage_;
  Bitmap sizes_;
};

}  // namespace glassheap
