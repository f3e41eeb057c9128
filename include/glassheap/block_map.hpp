// block_map.hpp: where blocks start, and which of them are free, kept outside the blocks.
//
// Bytes inside the region can be overwritten by whoever was given some of them. This map cannot: it
// lies elsewhere. So it is the authority. A pointer is a block's only if the map says that a block
// starts there; a size in a header, or a link in a node, is believed only where the map agrees.
//
// Structure: two bits per granule, "a block starts here" and "that block is free", each a Bitmap.
// Invariants: the first granule of the region starts a block; free is a subset of starts; a block
// reaches to the next start, or to the end of the region.
// Cost: O(log64 n) a call; 1/64 of the region's size, and 1/63 of that for the summaries.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "glassheap/bitmap.hpp"
#include "glassheap/units.hpp"

namespace glassheap {

class BlockMap {
 public:
  // A map without blocks, for a region of `region_size` bytes. Throws std::bad_alloc if and only if
  // there is no memory for it.
  explicit BlockMap(Size region_size);

  // Every place is the offset of a granule in the region.
  [[nodiscard]] bool starts_at(Offset at) const noexcept { return starts_.test(granule(at)); }
  [[nodiscard]] bool free_at(Offset at) const noexcept { return free_.test(granule(at)); }

  // The block that starts at `start`, where one does.
  [[nodiscard]] Block block_at(Offset start) const noexcept {
    const Offset end = start == last_ ? region_size_ : offset(starts_.next(granule(start) + 1));
    return {start, end - start};
  }
  // The block that holds the byte at `at`, which lies in the region.
  [[nodiscard]] Block block_around(Offset at) const noexcept {
    return block_at(offset(starts_.prev(granule(at))));
  }
  // The free block that begins, or ends, exactly at `at`; no block where there is none.
  [[nodiscard]] Block free_starting_at(Offset at) const noexcept {
    return at < region_size_ && free_at(at) ? block_at(at) : Block{};
  }
  [[nodiscard]] Block free_ending_at(Offset at) const noexcept {
    if (at == 0) return {};
    const Offset left = offset(starts_.prev(granule(at) - 1));
    return free_at(left) ? Block{left, at - left} : Block{};
  }

  // The start of the nearest free block below `at`, or at or above `from`; or nowhere.
  [[nodiscard]] Offset free_before(Offset at) const noexcept {
    return at == 0 ? nowhere : offset(free_.prev(granule(at) - 1));
  }
  [[nodiscard]] Offset free_from(Offset from) const noexcept {
    return offset(free_.next(granule(from)));
  }

  // A block that starts where none did: the one that held the place now ends there.
  void add_live(Offset start) noexcept { add(start); }
  void add_free(Offset start) noexcept {
    free_.set(granule(start));
    ++free_blocks_;
    add(start);
  }
  // The free, or live, block that starts here is it no more.
  void make_live(Offset start) noexcept {
    free_.clear(granule(start));
    --free_blocks_;
  }
  void make_free(Offset start) noexcept {
    free_.set(granule(start));
    ++free_blocks_;
  }
  // The block before the live, or free, block that starts here now reaches as far as it did.
  void remove_live(Offset start) noexcept {
    starts_.clear(granule(start));
    --blocks_;
    if (start == last_) last_ = offset(starts_.prev(granule(start) - 1));
  }
  void remove_free(Offset start) noexcept {
    make_live(start);
    remove_live(start);
  }
  void clear() noexcept;

  [[nodiscard]] Size region_size() const noexcept { return region_size_; }
  [[nodiscard]] Size blocks() const noexcept { return blocks_; }
  [[nodiscard]] Size free_blocks() const noexcept { return free_blocks_; }

 private:
  struct FreeWords {
    void operator()(Bitmap::Word* words) const noexcept { std::free(words); }
  };
  using Words = std::unique_ptr<Bitmap::Word, FreeWords>;

  [[nodiscard]] static constexpr std::size_t granule(Offset at) noexcept {
    return static_cast<std::size_t>(at / granule_size);
  }
  [[nodiscard]] static constexpr Offset offset(std::size_t granule) noexcept {
    return granule == Bitmap::none ? nowhere : granule * granule_size;
  }
  [[nodiscard]] static Words zeros(std::size_t words);

  void add(Offset start) noexcept {
    starts_.set(granule(start));
    ++blocks_;
    last_ = std::max(last_, start);
  }

  Size region_size_;
  std::size_t words_;
  Words storage_;
  Bitmap starts_;
  Bitmap free_;
  Offset last_ = 0;  // the start of the block that ends where the region ends
  Size blocks_ = 0;
  Size free_blocks_ = 0;
};

}  // namespace glassheap
