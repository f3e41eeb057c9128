// redzone.hpp: what checks="debug" watches: the bytes behind each payload, and all free memory.
//
//     live   | header | payload: size bytes | 0xFD .. | size, check |      a redzone and a trailer
//     free   | node   | 0xDD 0xDD 0xDD ............................ |      the fill
//
// A write behind a payload changes the redzone, or the trailer; it shows when the block is freed,
// resized or checked, to the byte. A write into freed memory changes the node or the fill; it shows
// when that memory is handed out again, or checked. With zero_on_free the fill is zeros.
//
// Built with AddressSanitizer, everything but the payloads of a heap of one process is poisoned
// besides: then a program that
// is built with it is stopped at the very instruction.
//
// Cost: O(size of the block) a call, and a granule more for each block.
#pragma once

#include "block/block.hpp"
#include "glassheap/fault.hpp"

namespace glassheap::redzone {

// Puts up the redzone of a live block with `size` bytes of payload, header or not.
void raise(BlockBytes& bytes, Block block, Size size) noexcept;
// The same for a block that was `old`, whose trailer may lie in the payload now.
void move(BlockBytes& bytes, Block old, Block block, Size size) noexcept;

// Whether the redzone of a live block stands as it was put up. `size` is what its header says;
// without headers it is what the trailer says, once that is found sound.
[[nodiscard]] bool holds(const BlockBytes& bytes, Block block, Size& size, Fault& fault) noexcept;

// Fills a block that has become free, with what free memory holds; in any heap.
void fill(BlockBytes& bytes, Block block) noexcept;
// Whether a stretch of free memory, without a node, is as it was filled.
[[nodiscard]] bool fill_holds(const BlockBytes& bytes, Offset from, Offset to,
                              Fault& fault) noexcept;
// Whether all is that a cut of the free block `from` hands out or writes over: what lies below
// `to`, and the fronts of the blocks that `rest` becomes.
[[nodiscard]] bool fill_holds(const BlockBytes& bytes, Block from, Offset to, Block rest,
                              Fault& fault) noexcept;

}  // namespace glassheap::redzone
