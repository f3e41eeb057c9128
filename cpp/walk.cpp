#include "glassheap/walk.hpp"

namespace glassheap {

namespace {

// What a live block says of its size; beyond any block where it keeps none.
Size claimed(const Blocks& blocks, Block block) noexcept {
  if (blocks.layout.has_headers()) return blocks.header(block.start).size;
  return blocks.layout.has_redzones() ? blocks.trailer(block).size : nowhere;
}

}  // namespace

Sight look(const Blocks& blocks, const BlockMap& map, Block block) noexcept {
  const Size offer = blocks.layout.on_offer(block.extent);
  if (map.free_at(block.start)) return {block, offer, false, 0};
  const Size size = claimed(blocks, block);
  const bool sane = blocks.layout.fills(size, block.extent);
  const bool numbered = blocks.layout.has_headers();
  return {block, sane ? size : offer, true,
          numbered ? blocks.header(block.start).serial : std::uint16_t{0}};
}

std::vector<Sight> look_at_all(const Blocks& blocks, const BlockMap& map) {
  std::vector<Sight> sights;
  sights.reserve(map.blocks());
  for (const Block block : Walk(map)) sights.push_back(look(blocks, map, block));
  return sights;
}

void clear_fronts(Blocks& blocks, const BlockMap& map, bool whole_blocks) noexcept {
  for (const Block block : Walk(map)) {
    const bool whole = whole_blocks && !map.free_at(block.start);  // what is free is zero already
    blocks.fill(block.start, whole ? block.extent : granule_size);
  }
}

Size sum_on_offer(const Blocks& blocks, const BlockMap& map) noexcept {
  Size sum = 0;
  for (Offset at = map.free_from(0); at != nowhere; at = map.free_from(at + granule_size))
    sum += blocks.layout.on_offer(map.block_at(at).extent);
  return sum;
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
