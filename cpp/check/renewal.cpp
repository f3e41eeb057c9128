#include "check/renewal.hpp"

#include "block/redzone.hpp"
#include "block/walk.hpp"
#include "check/recovery.hpp"

namespace glassheap {

void renew_by_headers(BlockBytes& bytes) {
  const RecoveredBlocks blocks = search_headers(bytes);
  for (const RecoveredBlocks::Part& part : blocks.parts) {
    if (part.free) {
      redzone::fill(bytes, part.block);
    } else {
      redzone::raise(bytes, part.block, bytes.header(part.block.start).size);
    }
  }
}

void renew_by_map(BlockBytes& bytes, const BlockMap& map) noexcept {
  for (const Block block : Walk(map)) {
    Size size = 0;
    Fault ignored;
    if (map.live_at(block.start) && !redzone::holds(bytes, block, size, ignored))
      redzone::raise(bytes, block, bytes.layout.on_offer(block.extent));
  }
}

void refill(BlockBytes& bytes, const BlockMap& map) noexcept {
  for (const Block block : Walk(map)) {
    if (map.live_at(block.start)) continue;
    bytes.fill(block.start + granule_size, block.extent - granule_size);
  }
}

}  // namespace glassheap
