// renewal.hpp: the redzones and the fill of a heap with redzones, written anew. For a heap whose
// redzones or free memory were overwritten, and which is to be mended: what they told is lost.
#pragma once

#include "block/block.hpp"
#include "block/block_map.hpp"

namespace glassheap {

// The redzone and the trailer of each live block, and the fill between them, where the blocks are
// found by their headers, as search_headers() finds them. Throws what that throws.
void renew_by_headers(BlockBytes& bytes);
// The broken redzones of a heap without headers. A block whose size is lost is all payload.
void renew_by_map(BlockBytes& bytes, const BlockMap& map) noexcept;
// The fill behind the node of each free block.
void refill(BlockBytes& bytes, const BlockMap& map) noexcept;

}  // namespace glassheap
