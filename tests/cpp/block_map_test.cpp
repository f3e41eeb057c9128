// The block map against a std::map from start to state: after every cut, every merge and every
// change of state, it must give the same answers at every granule.

#include "block/block_map.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>

#include "effort.hpp"
#include "printing.hpp"

namespace glassheap {
namespace {

constexpr Size g = granule_size;

// A block map and its oracle side by side.
class Pair {
 public:
  explicit Pair(Size granules) : size_(granules * g), map_(size_) { start_over(); }

  void start_over() {
    map_.clear();
    free_.clear();
    map_.add_free({0, size_});
    free_[0] = true;
  }

  // Cuts the live block around `at`, where none starts.
  void split(Offset at, bool free) {
    const Block tail{at, around(at).end() - at};
    free ? map_.add_free(tail) : map_.add_live(tail);
    free_[at] = free;
  }
  // Makes a live block free, or a free one live.
  void turn(Offset start) {
    bool& free = free_.at(start);
    free ? map_.make_live(around(start)) : map_.make_free(around(start));
    free = !free;
  }
  // Joins the block that starts here to the one before it.
  void join(Offset start) {
    const Block block = around(start);
    const Block left = around(start - g);
    free_.at(start) ? map_.drop_free(block) : map_.drop_live(block);
    if (free_.at(left.start)) map_.extend_free(left, {left.start, block.end() - left.start});
    free_.erase(start);
  }

  // A change at `at`: of those that are possible there, the one that `choice` names.
  void change(Offset at, unsigned choice) {
    if (free_.contains(at)) {
      at == 0 || choice % 2 == 0 ? turn(at) : join(at);
    } else if (free_.at(around(at).start)) {
      turn(around(at).start);
    } else {
      split(at, choice % 2 == 0);
    }
  }

  void expect_same() const {
    for (Offset at = 0; at < size_; at += g) {
      ASSERT_NO_FATAL_FAILURE(expect_same_blocks_at(at)) << at;
      ASSERT_NO_FATAL_FAILURE(expect_same_borders_at(at)) << at;
    }
    ASSERT_NO_FATAL_FAILURE(expect_same_borders_at(size_)) << "the end";
    ASSERT_NO_FATAL_FAILURE(expect_same_counts());
  }

  [[nodiscard]] const BlockMap& map() const { return map_; }
  [[nodiscard]] Size size() const { return size_; }

 private:
  void expect_same_blocks_at(Offset at) const {
    const bool starts = free_.contains(at);
    ASSERT_EQ(map_.free_at(at), starts && free_.at(at));
    ASSERT_EQ(map_.live_at(at), starts && !free_.at(at));
    ASSERT_EQ(map_.block_around(at), around(at));
    if (!starts) return;
    ASSERT_EQ(map_.block_at(at), around(at));
  }

  // What may be asked where a block begins, and where the region ends; what starts at the end, only
  // of the live block in front of it.
  void expect_same_borders_at(Offset at) const {
    ASSERT_EQ(map_.free_before(at), free_below(at));
    ASSERT_EQ(map_.free_from(at), free_above(at));
    if (at != size_ && !free_.contains(at)) return;
    expect_same_block(map_.free_ending_at(at), at == 0 ? Block{} : if_free(around(at - g)));
    if (at == size_ && free_.at(around(at - g).start)) return;
    expect_same_block(map_.free_starting_at(at), at == size_ ? Block{} : if_free(around(at)));
  }

  // The place of no block does not matter.
  static void expect_same_block(Block found, Block expected) {
    ASSERT_EQ(found.extent, expected.extent);
    ASSERT_EQ(found ? found.start : 0, expected ? expected.start : 0);
  }

  void expect_same_counts() const {
    Size free_blocks = 0;
    for (const auto& [start, free] : free_) free_blocks += free ? 1U : 0U;
    ASSERT_EQ(map_.blocks(), free_.size());
    ASSERT_EQ(map_.free_blocks(), free_blocks);
    ASSERT_EQ(map_.live_blocks(), free_.size() - free_blocks);
    expect_same_block(map_.top(), if_free(around(size_ - g)));
  }

  [[nodiscard]] Block around(Offset at) const {
    const auto next = free_.upper_bound(at);
    const Offset start = std::prev(next)->first;
    return {start, (next == free_.end() ? size_ : next->first) - start};
  }
  [[nodiscard]] Block if_free(Block block) const { return free_.at(block.start) ? block : Block{}; }
  [[nodiscard]] Offset free_below(Offset at) const {
    Offset found = nowhere;
    for (const auto& [start, free] : free_) found = free && start < at ? start : found;
    return found;
  }
  [[nodiscard]] Offset free_above(Offset at) const {
    for (const auto& [start, free] : free_) {
      if (free && start >= at) return start;
    }
    return nowhere;
  }

  Size size_;
  BlockMap map_;
  std::map<Offset, bool> free_;
};

TEST(BlockMap, IsOneBlockAfterTheFirstIsAdded) {
  for (Size granules = 1; granules <= 200; ++granules) {
    const Pair pair(granules);
    EXPECT_EQ(pair.map().block_at(0), (Block{0, granules * g}));
    EXPECT_NO_FATAL_FAILURE(pair.expect_same());
  }
}

TEST(BlockMap, AgreesWithAnOracleThroughEveryKindOfChange) {
  std::mt19937 random(4);
  for (const Size granules : {1U, 2U, 3U, 12U, 63U, 64U, 65U, 130U}) {
    Pair pair(granules);
    for (int change = 0; change < effort(2000, 200); ++change) {
      pair.change(random() % granules * g, static_cast<unsigned>(random()));
      ASSERT_NO_FATAL_FAILURE(pair.expect_same()) << "change " << change << " of " << granules;
    }
  }
}

// The end of the region is where nothing starts, and the last block is where the map is special.
TEST(BlockMap, KnowsItsLastBlockThroughCutsAndJoins) {
  Pair pair(100);
  pair.turn(0);
  for (Offset at = g; at < pair.size(); at += g) {
    pair.split(at, false);
    pair.turn(at);
    ASSERT_NO_FATAL_FAILURE(pair.expect_same());
    pair.turn(at);
  }
  for (Offset at = pair.size() - g; at > 0; at -= g) {
    if (at % (3 * g) != 0) pair.turn(at);
    pair.join(at);
    ASSERT_NO_FATAL_FAILURE(pair.expect_same());
  }
}

// What is noted of an empty block stays when the block is gone, until everything is.
TEST(BlockMap, RemembersWhereEmptyBlocksWere) {
  BlockMap map(100 * g);
  EXPECT_FALSE(map.has_tombstone(0));
  for (Offset at = 0; at < 100 * g; at += 7 * g) map.set_tombstone(at);
  for (Offset at = 0; at < 100 * g; at += g)
    EXPECT_EQ(map.has_tombstone(at), at % (7 * g) == 0) << at;
  map.clear();
  for (Offset at = 0; at < 100 * g; at += g) EXPECT_FALSE(map.has_tombstone(at)) << at;
}

TEST(BlockMap, IsEmptyAfterClear) {
  Pair pair(200);
  pair.turn(0);
  for (Offset at = g; at < pair.size(); at += 3 * g) pair.split(at, at % 2 == 0);
  pair.start_over();
  EXPECT_NO_FATAL_FAILURE(pair.expect_same());
  BlockMap map(320);
  map.add_live({0, 320});
  map.make_free({0, 320});
  map.clear();
  EXPECT_EQ(map.blocks(), 0U);
  EXPECT_EQ(map.free_blocks(), 0U);
  EXPECT_EQ(map.free_from(0), nowhere);
  for (Offset at = 0; at < 320; at += g) EXPECT_FALSE(map.live_at(at) || map.free_at(at)) << at;
}

}  // namespace
}  // namespace glassheap
