// The block map against a std::map from start to state: after every split, every merge and every
// change of state, both must give the same answers at every granule.

#include "block/block_map.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "printing.hpp"
#include "scale.hpp"

namespace glassheap {
namespace {

constexpr Size granule = granule_size;

// A block map and a std::map with the same blocks.
class CheckedBlockMap {
 public:
  explicit CheckedBlockMap(Size granules) : size_(granules * granule), map_(size_) { reset(); }

  void reset() {
    map_.clear();
    free_ = {{0, true}};
    map_.add_free({0, size_});
  }

  // Splits the live block around `at`, at which no block starts.
  void split(Offset at, bool free) {
    const Block tail{at, around(at).end() - at};
    free ? map_.add_free(tail) : map_.add_live(tail);
    free_[at] = free;
  }
  // Makes a live block free, or a free one live.
  void toggle(Offset start) {
    bool& free = free_.at(start);
    free ? map_.make_live(around(start)) : map_.make_free(around(start));
    free = !free;
  }
  // Merges the block that starts here into the one before it.
  void merge(Offset start) {
    const Block block = around(start);
    const Block left = around(start - granule);
    free_.at(start) ? map_.drop_free(block) : map_.drop_live(block);
    if (free_.at(left.start)) map_.extend_free(left, {left.start, block.end() - left.start});
    free_.erase(start);
  }
  // Makes a change at `at`: of the possible ones, the one that `choice` selects.
  void change(Offset at, unsigned choice) {
    if (free_.contains(at)) {
      at == 0 || choice % 2 == 0 ? toggle(at) : merge(at);
    } else if (free_.at(around(at).start)) {
      toggle(around(at).start);
    } else {
      split(at, choice % 2 == 0);
    }
  }

  void expect_same() const {
    for (Offset at = 0; at <= size_; at += granule) {
      ASSERT_NO_FATAL_FAILURE(expect_same_borders_at(at)) << at;
      if (at == size_) break;
      ASSERT_NO_FATAL_FAILURE(expect_same_block_at(at)) << at;
    }
    Size free_blocks = 0;
    for (const auto& [start, free] : free_) free_blocks += free ? 1U : 0U;
    ASSERT_EQ(map_.blocks(), free_.size());
    ASSERT_EQ(map_.free_blocks(), free_blocks);
    ASSERT_EQ(map_.live_blocks(), free_.size() - free_blocks);
    expect_same_block(map_.top(), if_free(size_ - granule));
  }

  [[nodiscard]] Size size() const { return size_; }

 private:
  void expect_same_block_at(Offset at) const {
    const bool starts = free_.contains(at);
    ASSERT_EQ(map_.free_at(at), starts && free_.at(at));
    ASSERT_EQ(map_.live_at(at), starts && !free_.at(at));
    ASSERT_EQ(map_.block_around(at), around(at));
    if (starts) {
      ASSERT_EQ(map_.block_at(at), around(at));
    }
  }
  // Compares the queries that are allowed where a block starts and where the region ends. A block
  // that starts at the end may be queried only if the last block is live.
  void expect_same_borders_at(Offset at) const {
    Offset below = nowhere, above = nowhere;
    for (const auto& [start, free] : free_) {
      if (free && start < at) below = start;
      if (free && start >= at) above = std::min(above, start);
    }
    ASSERT_EQ(map_.free_before(at), below);
    ASSERT_EQ(map_.free_from(at), above);
    if (at != size_ && !free_.contains(at)) return;
    const Block before = at == 0 ? Block{} : if_free(at - granule);
    expect_same_block(map_.free_ending_at(at), before);
    if (at != size_ || !before)
      expect_same_block(map_.free_starting_at(at), at == size_ ? Block{} : if_free(at));
  }
  // The start of an empty Block is not compared.
  static void expect_same_block(Block found, Block expected) {
    ASSERT_EQ(found.extent, expected.extent);
    ASSERT_EQ(found ? found.start : 0, expected ? expected.start : 0);
  }

  [[nodiscard]] Block around(Offset at) const {
    const auto next = free_.upper_bound(at);
    const Offset start = std::prev(next)->first;
    return {start, (next == free_.end() ? size_ : next->first) - start};
  }
  [[nodiscard]] Block if_free(Offset at) const {
    const Block block = around(at);
    return free_.at(block.start) ? block : Block{};
  }

  Size size_;
  BlockMap map_;
  std::map<Offset, bool> free_;
};

TEST(BlockMap, AgreesWithAnOracleThroughEveryKindOfChange) {
  std::mt19937 random(4);
  for (const Size granules : {1U, 2U, 3U, 12U, 63U, 64U, 65U, 130U}) {
    CheckedBlockMap checked(granules);
    for (int change = 0; change < scaled(2000, 200); ++change) {
      ASSERT_NO_FATAL_FAILURE(checked.expect_same()) << "change " << change << " of " << granules;
      checked.change(random() % granules * granule, static_cast<unsigned>(random()));
    }
    checked.reset();
    ASSERT_NO_FATAL_FAILURE(checked.expect_same());
  }
}

// The map has special cases for its last block, and for the end of the region, where none starts.
TEST(BlockMap, KnowsItsLastBlockThroughSplitsAndMerges) {
  CheckedBlockMap checked(100);
  checked.toggle(0);
  for (Offset at = granule; at < checked.size(); at += granule) {
    checked.split(at, false);
    checked.toggle(at);
    ASSERT_NO_FATAL_FAILURE(checked.expect_same());
    checked.toggle(at);
  }
  for (Offset at = checked.size() - granule; at > 0; at -= granule) {
    if (at % (3 * granule) != 0) checked.toggle(at);
    checked.merge(at);
    ASSERT_NO_FATAL_FAILURE(checked.expect_same());
  }
}

// The tombstone of an empty block outlives the block, and is removed by clear() alone.
TEST(BlockMap, RemembersWhereEmptyBlocksWereAndForgetsAllInClear) {
  BlockMap map(100 * granule);
  map.add_free({0, map.region_size()});
  for (Offset at = 0; at < 100 * granule; at += 7 * granule) map.set_tombstone(at);
  for (Offset at = 0; at < 100 * granule; at += granule)
    EXPECT_EQ(map.has_tombstone(at), at % (7 * granule) == 0) << at;
  map.clear();
  EXPECT_EQ(map.blocks() + map.free_blocks(), 0U);
  EXPECT_EQ(map.free_from(0), nowhere);
  for (Offset at = 0; at < 100 * granule; at += granule)
    EXPECT_FALSE(map.has_tombstone(at) || map.live_at(at) || map.free_at(at)) << at;
}

}  // namespace
}  // namespace glassheap
