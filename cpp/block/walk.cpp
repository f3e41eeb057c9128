#include "block/walk.hpp"

namespace glassheap {

namespace {

// The size that a live block stores; larger than any block if the layout stores none.
Size stored_size(const BlockBytes& bytes, Block block) noexcept {
  if (bytes.layout.has_headers()) return bytes.header(block.start).size;
  return bytes.layout.has_redzones() ? bytes.trailer(block).size : nowhere;
}

}  // namespace

BlockView view_block(const BlockBytes& bytes, const BlockMap& map, Block block) noexcept {
  const Size offer = bytes.layout.on_offer(block.extent);
  if (map.free_at(block.start)) return {block, offer, false, 0};
  const Size size = stored_size(bytes, block);
  const bool is_valid = bytes.layout.fills(size, block.extent);
  const bool has_serial = bytes.layout.has_headers();
  return {block, is_valid ? size : offer, true,
          has_serial ? bytes.header(block.start).serial : std::uint16_t{0}};
}

std::vector<BlockView> view_all(const BlockBytes& bytes, const BlockMap& map) {
  std::vector<BlockView> views;
  views.reserve(map.blocks());
  for (const Block block : Walk(map)) views.push_back(view_block(bytes, map, block));
  return views;
}

void clear_fronts(BlockBytes& bytes, const BlockMap& map, bool whole_blocks) noexcept {
  for (const Block block : Walk(map)) {
    const bool whole = whole_blocks && !map.free_at(block.start);  // free blocks are zeros already
    bytes.fill(block.start, whole ? block.extent : granule_size);
  }
}

Size available_bytes(const BlockBytes& bytes, const BlockMap& map) noexcept {
  Size sum = 0;
  for (Offset at = map.free_from(0); at != nowhere; at = map.free_from(at + granule_size))
    sum += bytes.layout.on_offer(map.block_at(at).extent);
  return sum;
}

LiveSums live_sums(const BlockBytes& bytes, const BlockMap& map) noexcept {
  LiveSums sums;
  for (const Block block : Walk(map)) {
    const BlockView view = view_block(bytes, map, block);
    if (!view.live) continue;
    sums.requested += view.size;
    sums.taken += block.extent;
  }
  return sums;
}

}  // namespace glassheap
