// Walk and BlockView: every block once, in address order, whatever its bytes are.

#include "block/walk.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "base/region.hpp"
#include "printing.hpp"

namespace glassheap {
namespace {

std::vector<Block> walked(const BlockMap& map) {
  std::vector<Block> blocks;
  for (const Block block : Walk(map)) blocks.push_back(block);
  return blocks;
}

TEST(Walk, CoversTheRegionInAddressOrder) {
  BlockMap map(160);
  map.add_free({0, 16});
  map.add_live({16, 48});
  map.add_free({64, 80});
  map.add_live({144, 16});
  EXPECT_EQ(walked(map), (std::vector<Block>{{0, 16}, {16, 48}, {64, 80}, {144, 16}}));
}

TEST(Walk, OfOneBlockIsThatBlock) {
  BlockMap map(16);
  map.add_live({0, 16});
  EXPECT_EQ(walked(map), (std::vector<Block>{{0, 16}}));
}

// Every way to split ten granules into blocks: 512 of them.
TEST(Walk, CoversEveryPartition) {
  for (unsigned splits = 0; splits < 512; ++splits) {
    BlockMap map(160);
    map.add_live({0, 160});
    for (Offset at = 16; at < 160; at += 16) {
      if ((splits >> (at / 16 - 1) & 1) != 0) map.add_live({at, 160 - at});
    }
    Offset end = 0;
    for (const Block block : Walk(map)) {
      ASSERT_EQ(block.start, end);
      end = block.end();
    }
    ASSERT_EQ(end, 160U);
    ASSERT_EQ(walked(map).size(), map.blocks());
  }
}

class BlockViewTest : public ::testing::Test {
 protected:
  BlockViewTest() { map_.add_live({0, 160}); }
  [[nodiscard]] BlockView at_0() const { return view_block(bytes_, map_, {0, 160}); }

  Region region_ = Region::map(160, granule_size, 0);
  BlockBytes bytes_{{region_.data(), region_.size()}, Layout{}, 1};
  BlockMap map_{160};
};

TEST_F(BlockViewTest, ShowsTheHeadersSizeAndSerial) {
  bytes_.write_header(0, 131, 9);
  EXPECT_TRUE(at_0().live);
  EXPECT_EQ(at_0().size, 131U);
  EXPECT_EQ(at_0().serial, 9U);
}

// An impossible size is not reported: a reader would read beyond the block.
TEST_F(BlockViewTest, ShowsTheWholePayloadIfTheHeadersSizeIsImpossible) {
  for (const Size lie : {Size{0}, Size{128}, Size{145}, Size{160}, ~Size{0}, ~Size{0} - 15}) {
    bytes_.write_header(0, lie, 9);
    EXPECT_EQ(at_0().size, 144U) << lie;
  }
}

TEST_F(BlockViewTest, ShowsAFreeBlockByTheMapWhateverItsNodeSays) {
  map_.make_free({0, 160});
  bytes_.write_node({0, ~Size{0} - 15}, 16, 32);
  EXPECT_FALSE(at_0().live);
  EXPECT_EQ(at_0().size, 144U);
  EXPECT_EQ(at_0().serial, 0U);
}

}  // namespace
}  // namespace glassheap
