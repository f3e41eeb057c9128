// walk.hpp: looking at every block, in address order, whatever state the bytes are in.
//
// The block map says where each block starts; nothing in the region is followed. So a walk covers
// the region exactly, and ends, also in a heap whose headers and nodes have been overwritten.
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

// One block as it is shown to a reader.
struct BlockView {
  Block block;
  Size size = 0;  // bytes asked for (live), or on offer (free)
  bool live = false;
  std::uint16_t serial = 0;  // 0 for a free block, and where there are no headers
};

// Looks at `block`. A live block whose size is not kept, or does not agree with the map, shows all
// its payload.
[[nodiscard]] BlockView view_block(const BlockBytes& bytes, const BlockMap& map,
                                   Block block) noexcept;

// Looks at every block, in address order. Throws std::bad_alloc if there is no memory for the list.
[[nodiscard]] std::vector<BlockView> view_all(const BlockBytes& bytes, const BlockMap& map);

// Takes the front of every block out of sight, and all of the live ones if `whole_blocks`.
void clear_fronts(BlockBytes& bytes, const BlockMap& map, bool whole_blocks) noexcept;

// What the free blocks offer together.
[[nodiscard]] Size available_bytes(const BlockBytes& bytes, const BlockMap& map) noexcept;

// The sums over the live blocks: bytes asked for, and taken in all.
struct LiveSums {
  Size requested = 0;
  Size taken = 0;
};
[[nodiscard]] LiveSums live_sums(const BlockBytes& bytes, const BlockMap& map) noexcept;

}  // namespace glassheap
