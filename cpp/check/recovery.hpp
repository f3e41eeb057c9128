// recovery.hpp: the blocks of a heap whose owner died, or of a heap image that was just opened: as
// the block map has them, and as the intent record describes the range that was being changed.
//
// Only the start bits and the free bits of the map are read; the summaries, the counters and the
// whole of the policy's index are rebuilt from them.
#pragma once

#include <vector>

#include "block/block.hpp"
#include "check/checker.hpp"
#include "check/journal.hpp"

namespace glassheap {

struct RecoveredBlocks {
  struct Part {
    Block block;
    bool free = false;
    bool resized = false;  // was being resized: a live block of `size` bytes
    Size size = 0;
  };

  std::vector<Part> parts;  // in address order
  Block orphan;             // a part without an owner, to be freed; or none

  // True if the parts cover the region and the free ones are valid in `layout`; and no two of those
  // touch, if the heap `coalesces_all`.
  [[nodiscard]] bool is_consistent(const Layout& layout, Size region, bool coalesces_all,
                                   Fault& fault) const noexcept;
  // Rebuilds the map; a block that was being resized gets its header and redzone. A process that is
  // killed meanwhile leaves a map that can be read again: nothing outside the range changes.
  void apply_to(BlockBytes& bytes, BlockMap& map) const noexcept;
  // Ends the dead process's call of several blocks. Calls release(block) for each that is to be
  // freed.
  template <typename Release>
  void settle(Journal& journal, Release release) const noexcept {
    for (const Part& part : parts) {
      if (part.free || part.block == orphan) continue;
      if (journal.is_to_be_freed(part.block.start))
        release(part.block);
      else
        journal.settle(part.block.start);
    }
    journal.end_call();
  }
  // True if the header of every live block is sound.
  [[nodiscard]] bool have_sound_headers(const Checker& checker, Fault& fault) const noexcept;
};

// The blocks according to the map and the intent record. Throws std::bad_alloc if there is no
// memory for the list.
[[nodiscard]] RecoveredBlocks read_recovered_blocks(const BlockMap& map, const Intent& in_flight);

// The blocks according to the headers, if nothing else can be trusted: each sound header is a live
// block, and the memory between two is free, in as many parts as the layout needs. Throws the same.
[[nodiscard]] RecoveredBlocks search_headers(const BlockBytes& bytes);

}  // namespace glassheap
