// shortfall.hpp: the fewest bytes whose release makes one free block that serves a request.
//
// Where free neighbours merge, blocks that are released together with the free blocks between them
// make one: a window over the walk. For each first block the shortest window that the request fits
// in is the cheapest, and its end moves only upwards:
//
//     | live 64 | free 96 | live 32 | free 64 | live 128 |        a request that takes 160 bytes:
//     <------- 64 -------->                                       64
//               <------------ 32 ------------->                   32, the answer
//                         <---------- 32 + 128 ---------->        160
//
// O(n). With the buddy policy a window is a place of a buddy, O(n log n) for each size of one; where
// free blocks do not merge, one block.
#pragma once

#include <span>

#include "heap/census.hpp"

namespace glassheap {

// A request, and the rules by which this heap makes one free block of several.
struct Wanted {
  Size size = 0;
  Size align = granule_size;
  Layout layout;
  Offset first = 0;  // address of the core's offset 0
  bool merges = true;
};

// The blocks to release, of which the first is `first`; none, if no release would do.
struct Release {
  Size bytes = 0;  // asked for in these blocks
  Size blocks = 0;
  Address first = 0;  // of a payload
};
[[nodiscard]] std::optional<Release> cheapest_release(std::span<const Census::Row> rows,
                                                      const Wanted& wanted);

}  // namespace glassheap
