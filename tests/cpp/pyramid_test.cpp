// The pyramid against a plain array of numbers, in every width around
// its fan-out and through several levels; and the index of the largest region. random_test.cpp
// compares the indexes of other regions with the model.

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

// Random numbers, queries, and what they mean.
using Number = Pyramid::Number;
Number draw_number(std::mt19937& random) { return static_cast<Number>(1 + random() % 1000); }
Number draw_weaker(Number number, std::mt19937& random) {
  return static_cast<Number>(random() % (static_cast<unsigned>(number) + 1));
}

// A pyramid and a plain array with the same numbers.
class CheckedPyramid {
 public:
  explicit CheckedPyramid(std::size_t count) : row_(count), pyramid_(count) {}

  // Makes a random change: to zero, to less, or to more.
  void change(std::mt19937& random) {
    const std::size_t i = random() % row_.size();
    const auto choice = random() % 4;
    if (choice >= 2) {
      const Number more = draw_number(random);
      row_[i] = std::max(row_[i], more);
      pyramid_.raise(i, more);
    } else {
      row_[i] = choice == 0 ? Number{0} : draw_weaker(row_[i], random);
      pyramid_.lower(i, row_[i]);
    }
  }
  void clear() {
    std::ranges::fill(row_, 0);
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
    return i < row_.size() ? i : Pyramid::none;
  }

  std::vector<Number> row_;
  Pyramid pyramid_;
};

TEST(MaxPyramid, AgreesWithARow) {
  std::mt19937 random(1);
  for (const std::size_t width :
       {1U, 2U, 31U, 32U, 33U, 127U, 128U, 129U, 1023U, 1025U, 4095U, 4097U, 5000U}) {
    CheckedPyramid checked(width);
    for (int round = 0; round < scaled(1000, 100); ++round) {
      checked.change(random);
      const Number least = draw_number(random);
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_from(random() % (width + 1), least));
      if (round == 60) checked.clear();
      if (round % 20 != 0) continue;
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_numbers());
    }
  }
}

// Another program may write to the numbers of a shared heap: a search still reads no others.
TEST(MaxPyramid, SearchesItselfWhateverItsNumbersAre) {
  std::mt19937 random(2);
  for (const std::size_t width : {1U, 33U, 257U, 5000U}) {
    alignas(64) std::array<std::byte, 64 << 10> memory{};
    ArrayArena arena{std::span(memory)};
    const Pyramid pyramid(width, arena);
    const std::size_t numbers = pyramid.own_memory() / sizeof(Number);
    for (int round = 0; round < scaled(2000, 200); ++round) {
      auto* const row = reinterpret_cast<Number*>(memory.data());
      row[random() % numbers] = draw_number(random);
      const std::size_t found = pyramid.next(random() % width, draw_number(random));
      ASSERT_TRUE(found == Pyramid::none || found < round_up(width, Pyramid::fan_out)) << found;
    }
  }
}

// The numbers that an SSE2 comparison could mistake for a negative one or for a neighbour.
TEST(MaxPyramid, FindsANumberByItsExactValue) {
  for (const Number number : std::to_array<Number>({1, 2, 127, 128, 255, 256, 32766})) {
    for (std::size_t place = 0; place < Pyramid::fan_out; ++place) {
      Pyramid pyramid(Pyramid::fan_out);
      pyramid.raise(place, number);
      EXPECT_EQ(pyramid.first(number), place);
      EXPECT_EQ(pyramid.first(static_cast<Number>(number + 1)), Pyramid::none);
    }
  }
}

// The numbers of extents of 256 KiB and more are steps: a search passes blocks that are too small.
TEST(ChunkIndexOfLargeBlocks, FindsTheLowestThatIsLargeEnough) {
  const Size region = Size{64} << 20;
  BlockMap map(region);
  ChunkIndex index(map);
  map.add_live({0, region});
  std::vector<Block> blocks;
  for (Size extent = (Size{256} << 10) - 64; blocks.size() < 12; extent += 16) {
    const Offset start = (Size{4} << 20) * (blocks.size() + 1);
    map.add_live({start, extent});
    map.add_live({start + extent, 16});
    map.make_free({start, extent});
    index.add(blocks.emplace_back(start, extent));
  }
  for (const Block block : blocks) EXPECT_EQ(index.first(block.extent), block);
  EXPECT_EQ(index.largest(), blocks.back().extent);
  EXPECT_FALSE(index.first(blocks.back().extent + 16));
}

// Large extents share numbers, and are told apart in the block map.
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
