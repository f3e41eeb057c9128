// redzone.hpp: the redzones and fills of checks="debug", behind each payload and in free memory.
//
//     live   | header | payload: size bytes | 0xFD .. | size, check |      a redzone and a trailer
//     free   | node   | 0xDD 0xDD 0xDD ............................ |      the fill
//
// A write past a payload's end changes the redzone or the trailer; it is detected, to the byte,
// when the block is freed, resized or checked. A write into freed memory changes the node or the
// fill; it is detected when that memory is allocated again, or checked. With zero_on_free the fill
// is zeros.
//
// In a build with AddressSanitizer, everything but the payloads is poisoned as well, unless the
// heap is shared: a program in the same build is then stopped at the very instruction.
//
// Cost: O(size of the block) a call, and one more granule for each block.
#pragma once

#include "block/block.hpp"
#include "glassheap/fault.hpp"

namespace glassheap::redzone {

// Writes the redzone and the trailer of a live block with `size` bytes of payload.
void raise(BlockBytes& bytes, Block block, Size size) noexcept;
// The same for a block resized from `old`, whose trailer may now lie in the payload and is erased.
void move(BlockBytes& bytes, Block old, Block block, Size size) noexcept;

// True if the redzone and the trailer of a live block are intact. `size` is the size in its header;
// without headers it is set to the one in the trailer, which is valid if the result is true.
[[nodiscard]] bool holds(const BlockBytes& bytes, Block block, Size& size, Fault& fault) noexcept;

// Fills a block that has become free with the fill of free memory; for any heap.
void fill(BlockBytes& bytes, Block block) noexcept;
// True if the free memory from `from` to `to`, which has no node in it, still has its fill.
[[nodiscard]] bool fill_holds(const BlockBytes& bytes, Offset from, Offset to,
                              Fault& fault) noexcept;
// True if the fill is intact wherever a split of the free block `from` allocates or writes: below
// `to`, and in the fronts of the blocks that `rest` becomes.
[[nodiscard]] bool fill_holds(const BlockBytes& bytes, Block from, Offset to, Block rest,
                              Fault& fault) noexcept;

}  // namespace glassheap::redzone
