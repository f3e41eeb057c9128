// walk.hpp: visits every block, in address order, whatever state the bytes are in.
//
// The block map gives the start of each block; no link in the region is followed. So a walk covers
// the region exactly and terminates, even in a heap whose headers and nodes were overwritten.
#pragma once

#include <vector>

#include "block/block.hpp"
#include "block/block_map.hpp"

namespace glassheap {

// A range over the blocks: for (const Block block : Walk(map)) ...
class Walk {
 public:
  class Iterator {
   public:
    Iterator(const BlockMap& map, Offset at) noexcept : map_(&map), at_(at) {}
    [[nodiscard]] Block operator*() const noexcept { return map_->block_at(at_); }
    Iterator& operator++() noexcept {
      at_ = map_->block_at(at_).end();
      return *this;
    }
    [[nodiscard]] bool operator==(const Iterator& other) const noexcept = default;

   private:
    const BlockMap* map_;
    Offset at_;
  };

  explicit Walk(const BlockMap& map) noexcept : map_(&map) {}
  [[nodiscard]] Iterator begin() const noexcept { return {*map_, 0}; }
  [[nodiscard]] Iterator end() const noexcept { return {*map_, map_->region_size()}; }

 private:
  const BlockMap* map_;
};

// One block, as reported to a user.
struct BlockView {
  Block block;
  Size size = 0;  // bytes asked for (live), or on offer (free)
  bool live = false;
  std::uint16_t serial = 0;  // 0 for a free block, and in a heap without headers
};

// The view of `block`. The size of a live block is its whole payload if the layout stores no size,
// or if the stored one does not agree with the map.
[[nodiscard]] BlockView view_block(const BlockBytes& bytes, const BlockMap& map,
                                   Block block) noexcept;

// The views of all blocks, in address order. Throws std::bad_alloc if there is no memory for them.
[[nodiscard]] std::vector<BlockView> view_all(const BlockBytes& bytes, const BlockMap& map);

// Erases the front of every block, and all of each live block if `whole_blocks`.
void clear_fronts(BlockBytes& bytes, const BlockMap& map, bool whole_blocks) noexcept;

// The sum of the sizes that the free blocks offer.
[[nodiscard]] Size available_bytes(const BlockBytes& bytes, const BlockMap& map) noexcept;

// The sums over the live blocks: of the sizes requested, and of the extents.
struct LiveSums {
  Size requested = 0;
  Size taken = 0;
};
[[nodiscard]] LiveSums live_sums(const BlockBytes& bytes, const BlockMap& map) noexcept;

}  // namespace glassheap
