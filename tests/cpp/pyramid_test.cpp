// The pyramid against a plain array of numbers, for both kinds of summary, in every width around
// its fan-out and through several levels; and the index of the largest region. random_test.cpp
// compares the indexes of other regions with the model.

#include "policy/pyramid.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

#include "limits.hpp"
#include "policy/chunk_index.hpp"
#include "policy/exact_sizes.hpp"
#include "printing.hpp"

namespace glassheap {
namespace {

// For each kind of summary: random numbers, queries, and what they mean.
struct Maxima {
  using Summary = MaxSummary;
  using Number = std::int32_t;
  using Query = std::int32_t;
  static Number number(unsigned random) { return static_cast<Number>(1 + random % 1000); }
  static Query query(unsigned random) { return number(random); }
  static Number combined(Number a, Number b) { return std::max(a, b); }
  static Number weaker(Number number, unsigned random) {
    return static_cast<Number>(random % 1000) % (number + 1);
  }
  static bool matches(Number number, Query least) { return number >= least; }
};
struct Unions {
  using Summary = OrSummary;
  using Number = std::uint64_t;
  using Query = unsigned;
  static Number number(unsigned random) { return Number{1} << random % 64; }
  static Query query(unsigned random) { return random % 64; }
  static Number combined(Number a, Number b) { return a | b; }
  static Number weaker(Number bits, unsigned random) {
    return bits & Number{random} * 0x9E3779B97F4A7C15;
  }
  static bool matches(Number bits, Query bit) { return (bits >> bit & 1) != 0; }
};

// A pyramid and a plain array with the same numbers.
template <typename Kind>
class CheckedPyramid {
 public:
  explicit CheckedPyramid(std::size_t count) : row_(count), pyramid_(count) {}

  // Makes a random change: to zero, to less, or to more.
  void change(std::mt19937& random) {
    const std::size_t i = random() % row_.size();
    const auto choice = random() % 4;
    if (choice >= 2) {
      const auto more = Kind::number(static_cast<unsigned>(random()));
      row_[i] = Kind::combined(row_[i], more);
      pyramid_.include(i, more);
    } else {
      row_[i] = choice == 0 ? 0 : Kind::weaker(row_[i], static_cast<unsigned>(random()));
      pyramid_.set(i, row_[i]);
    }
  }
  void clear() {
    std::ranges::fill(row_, 0);
    pyramid_.clear();
  }

  void expect_same_numbers() const {
    typename Kind::Number all = 0;
    for (std::size_t i = 0; i < row_.size(); ++i) {
      ASSERT_EQ(pyramid_[i], row_[i]) << i;
      all = Kind::combined(all, row_[i]);
    }
    ASSERT_EQ(pyramid_.all(), all);
  }
  void expect_same_from(std::size_t i, typename Kind::Query query) const {
    ASSERT_EQ(pyramid_.next(i, query), next(i, query)) << i << " of " << row_.size();
    ASSERT_EQ(pyramid_.first(query), next(0, query)) << row_.size();
  }

 private:
  [[nodiscard]] std::size_t next(std::size_t i, typename Kind::Query query) const {
    while (i < row_.size() && !Kind::matches(row_[i], query)) ++i;
    return i < row_.size() ? i : Pyramid<typename Kind::Summary>::none;
  }

  std::vector<typename Kind::Number> row_;
  Pyramid<typename Kind::Summary> pyramid_;
};

template <typename Kind>
class PyramidOf : public ::testing::Test {};
using Kinds = ::testing::Types<Maxima, Unions>;
TYPED_TEST_SUITE(PyramidOf, Kinds);

TYPED_TEST(PyramidOf, AgreesWithARow) {
  std::mt19937 random(1);
  for (const std::size_t width :
       {1U, 2U, 15U, 16U, 17U, 31U, 32U, 255U, 256U, 257U, 4095U, 4097U, 5000U}) {
    CheckedPyramid<TypeParam> checked(width);
    for (int round = 0; round < scaled(1000, 100); ++round) {
      checked.change(random);
      const auto query = TypeParam::query(static_cast<unsigned>(random()));
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_from(random() % (width + 1), query));
      if (round == 60) checked.clear();
      if (round % 20 != 0) continue;
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_numbers());
    }
  }
}

// Another program may write to the numbers of a shared heap: a search still reads no others.
TYPED_TEST(PyramidOf, SearchesItselfWhateverItsNumbersAre) {
  using Summary = typename TypeParam::Summary;
  std::mt19937 random(2);
  for (const std::size_t width : {1U, 17U, 257U, 5000U}) {
    alignas(64) std::array<std::byte, 64 << 10> memory{};
    ArrayArena arena{std::span(memory)};
    const Pyramid<Summary> pyramid(width, arena);
    const std::size_t numbers = pyramid.own_memory() / sizeof(typename Summary::Number);
    for (int round = 0; round < scaled(2000, 200); ++round) {
      auto* const row = reinterpret_cast<typename Summary::Number*>(memory.data());
      row[random() % numbers] = TypeParam::number(static_cast<unsigned>(random()));
      const auto query = TypeParam::query(static_cast<unsigned>(random()));
      const std::size_t found = pyramid.next(random() % width, query);
      ASSERT_TRUE(found == Pyramid<Summary>::none || found < round_up(width, 16)) << found;
    }
  }
}

// The numbers that an SSE2 comparison could mistake for a negative one or for a neighbour.
TEST(MaxPyramid, FindsANumberByItsExactValue) {
  for (const int number : {1, 2, 127, 128, 32767, 32768, 65535, 65536, 0x7FFFFFFE}) {
    for (std::size_t place = 0; place < 16; ++place) {
      Pyramid<MaxSummary> pyramid(16);
      pyramid.include(place, number);
      EXPECT_EQ(pyramid.first(number), place);
      EXPECT_EQ(pyramid.first(number + 1), Pyramid<MaxSummary>::none);
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
  EXPECT_EQ(index.first(0, half), low);
  EXPECT_EQ(index.first(16, half - 64), high);
  EXPECT_FALSE(index.first(16, half - 48));
  EXPECT_FALSE(index.first(0, half + 16));
}

}  // namespace
}  // namespace glassheap
