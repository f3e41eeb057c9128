// The block map at its borders: between two words, at its last block, and at the end of the region,
// where no block starts; and its tombstones. The other tests compare the block map of each heap
// with the model.

#include "block/block_map.hpp"

#include <gtest/gtest.h>

#include "printing.hpp"

namespace glassheap {
namespace {

// Blocks of a granule each, across the borders between words; every second one is free.
TEST(BlockMap, KnowsItsNeighboursUpToBothEnds) {
  for (const Size granules : {1U, 2U, 3U, 63U, 64U, 65U, 130U, 5000U}) {
    const Size size = granules * granule_size;
    BlockMap map(size);
    map.add_live({0, size});
    for (Offset at = granule_size; at < size; at += granule_size) map.add_live({at, size - at});
    for (Offset at = 0; at < size; at += 2 * granule_size) map.make_free({at, granule_size});
    EXPECT_EQ(map.blocks(), granules);
    EXPECT_EQ(map.free_blocks(), (granules + 1) / 2);
    for (Offset at = 0; at <= size; at += granule_size) {
      const bool free = at / granule_size % 2 == 0 && at != size;
      const Offset below = at == 0 ? nowhere : (at - granule_size) / 32 * 32;
      const Offset above = (at + granule_size) / 32 * 32;
      EXPECT_EQ(map.free_before(at), below) << at << " of " << granules;
      EXPECT_EQ(map.free_from(at), above < size ? above : nowhere) << at << " of " << granules;
      EXPECT_EQ(map.free_ending_at(at).extent, at != 0 && below + 16 == at ? granule_size : 0);
      if (at == size) break;
      EXPECT_EQ(map.free_at(at), free);
      EXPECT_EQ(map.live_at(at), !free);
      EXPECT_EQ(map.block_around(at), (Block{at, granule_size}));
      EXPECT_EQ(map.free_starting_at(at).extent, free ? granule_size : 0);
    }
    const Block top{size - granule_size, granules % 2 == 1 ? granule_size : 0};
    EXPECT_EQ(map.top().extent, top.extent);
    EXPECT_EQ(map.top() ? map.top().start : top.start, top.start);
  }
}

// The tombstone of an empty block outlives the block, and is removed by clear() alone.
TEST(BlockMap, RemembersWhereEmptyBlocksWereAndForgetsAllInClear) {
  constexpr Size size = 100 * granule_size;
  BlockMap map(size);
  map.add_free({0, size});
  EXPECT_FALSE(map.has_tombstone(0));
  for (Offset at = 0; at < size; at += 7 * granule_size) map.set_tombstone(at);
  for (Offset at = 0; at < size; at += granule_size)
    EXPECT_EQ(map.has_tombstone(at), at % (7 * granule_size) == 0) << at;
  map.clear();
  EXPECT_EQ(map.blocks() + map.free_blocks(), 0U);
  EXPECT_EQ(map.free_from(0), nowhere);
  for (Offset at = 0; at < size; at += granule_size)
    EXPECT_FALSE(map.has_tombstone(at) || map.live_at(at) || map.free_at(at)) << at;
}

}  // namespace
}  // namespace glassheap
