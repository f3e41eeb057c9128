#include "glassheap/walk.hpp"

namespace glassheap {

std::vector<Sight> look_at_all(const Blocks& blocks, const BlockMap& map) {
  std::vector<Sight> sights;
  sights.reserve(map.blocks());
  for (const Block block : Walk(map)) sights.push_back(look(blocks, map, block));
  return sights;
}

void clear_fronts(Blocks& blocks, const BlockMap& map, bool whole_blocks) noexcept {
  for (const Block block : Walk(map)) {
    const bool whole = whole_blocks && !map.free_at(block.start);  // what is free is zero already
    blocks.zero(block.start, whole ? block.extent : granule_size);
  }
}

LiveSums live_sums(const Blocks& blocks, const BlockMap& map) noexcept {
  LiveSums sums;
  for (const Block block : Walk(map)) {
    const Sight sight = look(blocks, map, block);
    if (!sight.live) continue;
    sums.requested += sight.size;
    sums.taken += block.extent;
  }
  return sums;
}

}  // namespace glassheap
