// The indexes of the classic fits against brute force: free blocks come, are cut, grow and go at
// random, and each question has the answer that a look at all of them gives.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "effort.hpp"
#include "policy/chunk_index.hpp"
#include "policy/size_index.hpp"
#include "printing.hpp"

namespace glassheap {
namespace {

constexpr Size kibibyte = 1024;

// The free blocks that an index is told of: the top never is.
template <typename Index>
bool takes(Block block) {
  if constexpr (std::is_same_v<Index, ExactSizes>) return block.extent < kibibyte;
  if constexpr (std::is_same_v<Index, LargeTree>) return block.extent >= kibibyte;
  return true;
}

// A region of blocks, its map, and an index beside it.
template <typename Index>
class Space {
 public:
  Space(Size size, unsigned seed) : size_(size), random_(seed), map_(size), index_(map_) {
    map_.add_live({0, size});
    free_[0] = false;
  }

  // One change at a random place, in the order in which a heap makes it: first the map, then the
  // index.
  void change() {
    const Offset at = random_() % (size_ / 16) * 16;
    const Block block = around(at);
    const unsigned choice = random_() % 4;
    if (is_free(block)) {
      choice == 0 && block.end() != size_&& block.extent > 16 ? split(block) : turn(block);
    } else if (choice == 0 && at != block.start) {
      split(block, at);
    } else if (choice == 1 && block.end() != size_) {
      join(block);
    } else {
      turn(block);
    }
  }

  // The blocks of the index, in address order.
  [[nodiscard]] std::vector<Block> indexed() const {
    std::vector<Block> blocks;
    for (const auto& [start, free] : free_) {
      if (free && is_indexed(around(start))) blocks.push_back(around(start));
    }
    return blocks;
  }

  [[nodiscard]] const Index& index() const { return index_; }
  [[nodiscard]] Size size() const { return size_; }
  [[nodiscard]] Offset any_place() { return random_() % (size_ / 16) * 16; }
  // Mostly the extent of some block, or one granule more or less; from `least` up.
  [[nodiscard]] Size any_extent(Size least) {
    const std::vector<Block> blocks = indexed();
    const Size near = blocks.empty() ? 512 : blocks[random_() % blocks.size()].extent;
    const Size extent = random_() % 4 == 0 ? 16 + random_() % 200 * 16 : near + random_() % 3 * 16;
    return std::max(least, extent - 16);
  }

 private:
  [[nodiscard]] Block around(Offset at) const {
    const auto next = free_.upper_bound(at);
    const Offset start = std::prev(next)->first;
    return {start, (next == free_.end() ? size_ : next->first) - start};
  }
  [[nodiscard]] bool is_free(Block block) const { return free_.at(block.start); }
  [[nodiscard]] bool is_indexed(Block block) const {
    return block.end() != size_ && takes<Index>(block);
  }

  void turn(Block block) {
    const bool freed = !is_free(block);
    freed ? map_.make_free(block) : map_.make_live(block);
    free_[block.start] = freed;
    if (is_indexed(block)) freed ? index_.add(block) : index_.remove(block);
  }
  void split(Block block, Offset at) {
    map_.add_live({at, block.end() - at});
    free_[at] = false;
  }
  // A live block is joined with the one behind it, whatever that is.
  void join(Block block) {
    const Block right = around(block.end());
    if (is_free(right)) turn(right);
    map_.drop_live(right);
    free_.erase(right.start);
  }
  // The low end of a free block is taken; the rest stays free.
  void split(Block block) {
    const Block rest{block.start + 16, block.extent - 16};
    map_.make_live({block.start, 16});
    map_.add_free(rest);
    free_[block.start] = false;
    free_[rest.start] = true;
    if constexpr (requires { index_.replace(block, rest); }) {
      index_.replace(block, rest);
    } else {
      if (is_indexed(block)) index_.remove(block);
      if (is_indexed(rest)) index_.add(rest);
    }
  }

  Size size_;
  std::mt19937 random_;
  BlockMap map_;
  Index index_;
  std::map<Offset, bool> free_;
};

// The answers of brute force, from the blocks in address order.
struct Brute {
  std::vector<Block> blocks;

  template <typename Holds>
  [[nodiscard]] Block lowest(Holds holds) const {
    const auto found = std::ranges::find_if(blocks, holds);
    return found == blocks.end() ? Block{} : *found;
  }
  [[nodiscard]] Block at_least(Offset from, Size extent) const {
    return lowest([=](Block b) { return b.start >= from && b.extent >= extent; });
  }
  [[nodiscard]] Block exactly(Offset from, Size extent) const {
    return lowest([=](Block b) { return b.start >= from && b.extent == extent; });
  }
  [[nodiscard]] Size smallest(Size extent) const {
    Size found = 0;
    for (const Block b : blocks) {
      if (b.extent >= extent && (found == 0 || b.extent < found)) found = b.extent;
    }
    return found;
  }
  [[nodiscard]] Size largest_below(Size extent) const {
    Size found = 0;
    for (const Block b : blocks) {
      if (b.extent < extent) found = std::max(found, b.extent);
    }
    return found;
  }
  [[nodiscard]] Size largest() const { return largest_below(nowhere); }
};

void expect_same(Block found, Block expected) {
  ASSERT_EQ(found.extent, expected.extent);
  ASSERT_EQ(found ? found.start : 0, expected ? expected.start : 0);
}

void expect_answers(Space<ChunkIndex>& space, const Brute& brute) {
  ASSERT_EQ(space.index().largest(), brute.largest());
  for (int i = 0; i < 4; ++i) {
    const Offset from = i == 0 ? 0 : space.any_place();
    const Size extent = space.any_extent(16);
    expect_same(space.index().first(from, extent), brute.at_least(from, extent));
  }
  expect_same(space.index().first(space.size(), 16), {});
}

template <typename Sizes>
void expect_sizes(Space<Sizes>& space, const Brute& brute) {
  const Size extent = space.any_extent(16);
  ASSERT_EQ(space.index().largest(), brute.largest());
  ASSERT_EQ(space.index().smallest(extent), brute.smallest(extent));
  ASSERT_EQ(space.index().largest_below(extent), brute.largest_below(extent));
  for (const Offset from : {Offset{0}, space.any_place()})
    expect_same(space.index().first(from, extent), brute.exactly(from, extent));
}
void expect_answers(Space<SizeIndex>& space, const Brute& brute) { expect_sizes(space, brute); }
void expect_answers(Space<ExactSizes>& space, const Brute& brute) {
  const Size extent = std::min(space.any_extent(16), kibibyte - 16);
  ASSERT_EQ(space.index().largest(), brute.largest());
  ASSERT_EQ(space.index().smallest(extent), brute.smallest(extent));
  ASSERT_EQ(space.index().smallest(kibibyte), 0U);
  ASSERT_EQ(space.index().largest_below(extent), brute.largest_below(extent));
  ASSERT_EQ(space.index().largest_below(kibibyte), brute.largest());
  for (const Offset from : {Offset{0}, space.any_place(), space.size()})
    expect_same(space.index().first(from, extent), brute.exactly(from, extent));
}

void expect_answers(Space<LargeTree>& space, const Brute& brute) {
  const Size extent = space.any_extent(16);
  const Offset from = space.any_place();
  ASSERT_EQ(space.index().largest(), brute.largest());
  ASSERT_EQ(space.index().largest_below(extent), brute.largest_below(extent));
  Block first = brute.exactly(from, extent);
  if (const Size more = brute.smallest(extent + 16); !first && more != 0)
    first = brute.exactly(0, more);
  expect_same(space.index().first({from, extent}), first);
}

template <typename Index>
class IndexOf : public ::testing::Test {};
using Indexes = ::testing::Types<ChunkIndex, ExactSizes, LargeTree, SizeIndex>;
TYPED_TEST_SUITE(IndexOf, Indexes);

TYPED_TEST(IndexOf, AnswersAsALookAtAllBlocksDoes) {
  unsigned seed = 0;
  for (const Size size : {16U, 48U, 1024U, 1040U, 2048U, 5008U, 65536U, 300000U, 1U << 20}) {
    Space<TypeParam> space(size, ++seed);
    for (int change = 0; change < effort(4000, 300); ++change) {
      space.change();
      if (size > 65536 && change % 8 != 0) continue;
      expect_answers(space, {space.indexed()});
      ASSERT_FALSE(this->HasFatalFailure()) << "change " << change << " of " << size;
    }
  }
}

TYPED_TEST(IndexOf, IsEmptyAfterClear) {
  BlockMap map(65536);
  TypeParam index(map);
  map.add_live({0, 65536});
  for (const Block block : {Block{16, 48}, Block{2048, 4096}}) {
    map.add_live(block);
    map.add_live({block.end(), 65536 - block.end()});
    map.make_free(block);
    if (takes<TypeParam>(block)) index.add(block);
  }
  EXPECT_NE(index.largest(), 0U);
  index.clear();
  EXPECT_EQ(index.largest(), 0U);
}

// Blocks that share a number, because it has no more bits, are told apart by looking.
TEST(ChunkIndexOfTheLargestRegion, KnowsExtentsThatItsNumbersDoNotHold) {
  if (slow_build) GTEST_SKIP() << "So much address space is not for a sanitizer.";
  BlockMap map(largest_region);
  ChunkIndex index(map);
  const Size half = Size{1} << 35;
  const Block low{0, half};
  const Block high{half + 16, half - 64};
  map.add_live({0, largest_region});
  for (const Block block : {Block{low.end(), 16}, high, Block{high.end(), 16}}) map.add_live(block);
  for (const Block block : {low, high}) {
    map.make_free(block);
    index.add(block);
  }
  EXPECT_EQ(index.largest(), half);
  expect_same(index.first(0, half), low);
  expect_same(index.first(16, half - 64), high);
  expect_same(index.first(16, half - 48), {});
  expect_same(index.first(0, half + 16), {});
}

}  // namespace
}  // namespace glassheap
