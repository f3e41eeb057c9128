// remains.hpp: the blocks of a heap whose owner died, or that nobody has looked at since it was
// written: as the block map has them, and as the stretch that was in flight leaves it open.
//
// Of the map only where blocks start is read, and which are free; the summaries, the counters and
// everything that a policy keeps are made anew from that.
#pragma once

#include <vector>

#include "block/block.hpp"
#include "check/checker.hpp"
#include "check/intent_record.hpp"

namespace glassheap {

struct RecoveredBlocks {
  struct Part {
    Block block;
    bool free = false;
    bool resized = false;  // was being given another size: a live block of `size` bytes
    Size size = 0;
  };

  std::vector<Part> parts;  // in address order
  Block orphan;             // a part that nobody owns any more, to be freed; or none

  // Whether the parts cover the region, and the free ones are such as `layout` may have.
  [[nodiscard]] bool is_consistent(const Layout& layout, Size region, bool none_touch,
                                   Fault& fault) const noexcept;
  // Makes the map anew; a block that was being given another size gets what belongs to it. Whoever
  // is killed meanwhile leaves what can be read once more: nothing changes outside of the stretch.
  void apply_to(BlockBytes& bytes, BlockMap& map) const noexcept;
  // Whether every live block is what its header says.
  [[nodiscard]] bool have_sound_headers(const Checker& checker, Fault& fault) const noexcept;
};

// Throws std::bad_alloc if there is no memory for the list.
[[nodiscard]] RecoveredBlocks read_recovered_blocks(const BlockMap& map, const Intent& in_flight);

// What sound headers say, where nothing else can be believed: each is a live block, and what lies
// between two is free, in as many parts as the layout asks for. The same throws.
[[nodiscard]] RecoveredBlocks search_headers(const BlockBytes& bytes);

}  // namespace glassheap
