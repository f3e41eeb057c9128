// The pyramids against plain arrays of numbers, in every width around their fan-out and through
// several levels; and the index, in a small region and in the largest. random_test.cpp compares the
// indexes of whole heaps with the model.

#include "policy/pyramid.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

#include "limits.hpp"
#include "policy/chunk_index.hpp"
#include "printing.hpp"

namespace glassheap {
namespace {

template <typename Summary>
using NumberOf = typename Summary::Number;

template <typename Summary>
NumberOf<Summary> draw_number(std::mt19937& random) {
  return static_cast<NumberOf<Summary>>(1 +
                                        random() % (sizeof(NumberOf<Summary>) == 1 ? 255 : 1000));
}

// A pyramid and a plain array with the same numbers.
template <typename Summary>
class CheckedPyramid {
 public:
  using Number = NumberOf<Summary>;
  explicit CheckedPyramid(std::size_t count) : row_(count), pyramid_(count) {}

  // Makes a random change: to zero, to less, or to more.
  void change(std::mt19937& random) {
    const std::size_t i = random() % row_.size();
    const auto choice = random() % 4;
    const Number drawn = draw_number<Summary>(random);
    if (choice >= 2) {
      row_[i] = std::max(row_[i], drawn);
      pyramid_.include(i, drawn);
    } else {
      row_[i] = choice == 0 ? Number{0} : std::min(row_[i], drawn);
      pyramid_.set(i, row_[i]);
    }
  }
  void clear() {
    std::ranges::fill(row_, Number{0});
    pyramid_.clear();
  }

  void expect_same_numbers() const {
    Number all = 0;
    for (std::size_t i = 0; i < row_.size(); ++i) {
      ASSERT_EQ(pyramid_[i], row_[i]) << i;
      all = std::max(all, row_[i]);
    }
    ASSERT_EQ(pyramid_.all(), all);
  }
  void expect_same_from(std::size_t i, Number least) const {
    ASSERT_EQ(pyramid_.next(i, least), next(i, least)) << i << " of " << row_.size();
    ASSERT_EQ(pyramid_.first(least), next(0, least)) << row_.size();
  }

 private:
  [[nodiscard]] std::size_t next(std::size_t i, Number least) const {
    while (i < row_.size() && row_[i] < least) ++i;
    return i < row_.size() ? i : Pyramid<Summary>::none;
  }

  std::vector<Number> row_;
  Pyramid<Summary> pyramid_;
};

template <typename Summary>
class MaxPyramid : public testing::Test {};
using Summaries = testing::Types<ByteMaxima, WordMaxima>;
TYPED_TEST_SUITE(MaxPyramid, Summaries);

TYPED_TEST(MaxPyramid, AgreesWithARow) {
  std::mt19937 random(1);
  constexpr std::size_t fan = TypeParam::fan_out;
  for (const std::size_t width :
       {std::size_t{1}, std::size_t{2}, fan - 1, fan, fan + 1, 2 * fan - 1, 2 * fan, fan * fan - 1,
        fan * fan, fan * fan + 1, 5000 + fan}) {
    CheckedPyramid<TypeParam> checked(width);
    for (int round = 0; round < scaled(1000, 100); ++round) {
      checked.change(random);
      const auto least = draw_number<TypeParam>(random);
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_from(random() % (width + 1), least));
      if (round == 60) checked.clear();
      if (round % 20 != 0) continue;
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_numbers());
    }
  }
}

// Another program may write to the numbers of a shared heap: a search still reads no others.
TYPED_TEST(MaxPyramid, SearchesItselfWhateverItsNumbersAre) {
  std::mt19937 random(2);
  constexpr std::size_t fan = TypeParam::fan_out;
  for (const std::size_t width : {std::size_t{1}, fan + 1, fan * fan + 1, std::size_t{5000}}) {
    alignas(64) std::array<std::byte, 64 << 10> memory{};
    ArrayArena arena{std::span(memory)};
    const Pyramid<TypeParam> pyramid(width, arena);
    const std::size_t numbers = pyramid.own_memory() / sizeof(NumberOf<TypeParam>);
    for (int round = 0; round < scaled(2000, 200); ++round) {
      auto* const row = reinterpret_cast<NumberOf<TypeParam>*>(memory.data());
      row[random() % numbers] = draw_number<TypeParam>(random);
      const auto least = draw_number<TypeParam>(random);
      const std::size_t found = pyramid.next(random() % width, least);
      ASSERT_TRUE(found == Pyramid<TypeParam>::none || found < round_up(width, fan)) << found;
    }
  }
}

// The numbers that an SSE2 comparison could mistake for a negative one or for a neighbour.
TYPED_TEST(MaxPyramid, FindsANumberByItsExactValue) {
  using Number = NumberOf<TypeParam>;
  for (const int drawn : {1, 2, 127, 128, 254, 32767, 32768, 65535, 65536, 0x7FFFFFFE}) {
    const auto number = static_cast<Number>(drawn);
    if (number != drawn) continue;
    for (std::size_t place = 0; place < TypeParam::fan_out; ++place) {
      Pyramid<TypeParam> pyramid(TypeParam::fan_out);
      pyramid.include(place, number);
      EXPECT_EQ(pyramid.first(number), place);
      EXPECT_EQ(pyramid.first(static_cast<Number>(number + 1)), Pyramid<TypeParam>::none);
    }
  }
}

// The lowest of the free blocks of `map` that starts at `from` or above and is large enough.
Block lowest(const BlockMap& map, Offset from, Size extent) {
  for (Offset at = map.free_from(from); at != nowhere; at = map.free_from(at + granule_size)) {
    const Block block = map.block_at(at);
    if (block.extent >= extent && block != map.top()) return block;
  }
  return {};
}

// A map and its index, changed as heaps change them.
class CheckedIndex {
 public:
  explicit CheckedIndex(Size region) : map_(region), index_(map_) { map_.add_live({0, region}); }

  void change(std::mt19937& random) {
    const Block block = map_.block_around(draw_start(random));
    if (!map_.free_at(block.start)) {
      release_low_end(block, draw_extent(random));
    } else if (random() % 2 == 0) {
      take_low_end(block, draw_extent(random));
    } else if (random() % 2 == 0) {
      grow(block);
    } else {
      map_.make_live(block);
      index_.remove(block);
    }
  }
  void expect_same_as_a_walk(std::mt19937& random) const {
    const Size extent = draw_extent(random);
    const Offset from = draw_start(random);
    ASSERT_EQ(index_.first(extent), lowest(map_, 0, extent));
    ASSERT_EQ(index_.first_from(from, extent), lowest(map_, from, extent));
    ASSERT_EQ(index_.largest(), map_.largest_free());
  }

 private:
  // On either side of the extents that a leaf, a chunk and a byte can tell apart.
  static Size draw_extent(std::mt19937& random) {
    constexpr std::array<Size, 12> granules{1, 2, 15, 16, 17, 63, 64, 65, 254, 255, 256, 700};
    return granules[random() % granules.size()] * granule_size;
  }
  [[nodiscard]] Offset draw_start(std::mt19937& random) const {
    return random() % map_.most_blocks() * granule_size;
  }

  void release_low_end(Block live, Size extent) {
    if (live.extent <= extent) return;
    map_.add_live({live.start + extent, live.extent - extent});
    map_.make_free({live.start, extent});
    index_.add({live.start, extent});
  }
  void take_low_end(Block free, Size extent) {
    if (free.extent <= extent) return;
    const Block rest{free.start + extent, free.extent - extent};
    map_.make_live({free.start, extent});
    map_.add_free(rest);
    index_.replace(free, rest);
  }
  // A free block grows over the live block behind it, if there is one that does not end the region.
  void grow(Block free) {
    const Block behind = map_.block_at(free.end());
    if (map_.free_at(behind.start) || behind.end() == map_.region_size()) return;
    const Block whole{free.start, free.extent + behind.extent};
    map_.drop_live(behind);
    map_.extend_free(free, whole);
    index_.replace(free, whole);
  }

  BlockMap map_;
  ChunkIndex index_;
};

TEST(ChunkIndex, AgreesWithAWalk) {
  std::mt19937 random(3);
  for (const Size kib : {8U, 100U, 512U}) {
    CheckedIndex checked(kib << 10);
    for (int round = 0; round < scaled(10000, 1000); ++round) {
      checked.change(random);
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_as_a_walk(random)) << kib << " KiB, " << round;
    }
  }
}

// The index stores at most 2^31 - 1 granules; larger extents are distinguished in the block map.
TEST(ChunkIndexOfTheLargestRegion, DistinguishesExtentsBeyondItsNumbers) {
  if (slow_build) GTEST_SKIP() << "A sanitizer does not leave so much address space.";
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
  EXPECT_EQ(index.first(half), low);
  EXPECT_EQ(index.first_from(16, half - 64), high);
  EXPECT_FALSE(index.first_from(16, half - 48));
  EXPECT_FALSE(index.first(half + 16));
}

}  // namespace
}  // namespace glassheap
