// The pyramid against a plain array of numbers, for both kinds of summary, in every width around
// its fan-out and through several levels.

#include "policy/pyramid.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "policy/chunk_index.hpp"
#include "policy/exact_sizes.hpp"
#include "scale.hpp"

namespace glassheap {
namespace {

// A pyramid and a plain array with the same numbers.
template <typename Summary>
class CheckedPyramid {
 public:
  using Number = typename Summary::Number;
  using Query = std::conditional_t<std::is_same_v<Summary, OrSummary>, unsigned, Number>;

  explicit CheckedPyramid(std::size_t count) : row_(count), pyramid_(count) {}

  void set(std::size_t i, Number value) {
    row_[i] = value;
    pyramid_.set(i, value);
  }
  void include(std::size_t i, Number value) {
    row_[i] = combined(row_[i], value);
    pyramid_.include(i, value);
  }
  void clear() {
    std::ranges::fill(row_, Number{0});
    pyramid_.clear();
  }

  void expect_same_numbers() const {
    Number all = 0;
    for (std::size_t i = 0; i < row_.size(); ++i) {
      ASSERT_EQ(pyramid_[i], row_[i]) << i;
      all = combined(all, row_[i]);
    }
    ASSERT_EQ(pyramid_.all(), all);
  }
  void expect_same_from(std::size_t i, Query query) const {
    ASSERT_EQ(pyramid_.next(i, query), next(i, query)) << i << " of " << row_.size();
    ASSERT_EQ(pyramid_.first(query), next(0, query)) << row_.size();
  }
  [[nodiscard]] Number operator[](std::size_t i) const { return row_[i]; }

 private:
  static std::int32_t combined(std::int32_t a, std::int32_t b) { return a < b ? b : a; }
  static std::uint64_t combined(std::uint64_t a, std::uint64_t b) { return a | b; }
  static bool matches(std::int32_t number, std::int32_t least) { return number >= least; }
  static bool matches(std::uint64_t bits, unsigned bit) { return (bits >> bit & 1) != 0; }

  [[nodiscard]] std::size_t next(std::size_t i, Query query) const {
    while (i < row_.size() && !matches(row_[i], query)) ++i;
    return i < row_.size() ? i : Pyramid<Summary>::none;
  }

  std::vector<Number> row_;
  Pyramid<Summary> pyramid_;
};

constexpr std::size_t widths[] = {1, 2, 15, 16, 17, 31, 32, 255, 256, 257, 4095, 4097, 5000};

int random_number(std::mt19937& random, MaxSummary) { return static_cast<int>(random() % 1000); }
std::uint64_t random_number(std::mt19937& random, OrSummary) {
  return std::uint64_t{1} << random() % 64;
}
// Returns a number that includes no more than the given one.
int weaken(std::mt19937& random, int number) {
  return static_cast<int>(random() % 1000) % (number + 1);
}
std::uint64_t weaken(std::mt19937& random, std::uint64_t bits) {
  return bits & (std::uint64_t{random()} << 32 | random());
}
int random_query(std::mt19937& random, MaxSummary) { return 1 + static_cast<int>(random() % 1000); }
unsigned random_query(std::mt19937& random, OrSummary) {
  return static_cast<unsigned>(random() % 64);
}

template <typename Summary>
class PyramidOf : public ::testing::Test {};
using Summaries = ::testing::Types<MaxSummary, OrSummary>;
TYPED_TEST_SUITE(PyramidOf, Summaries);

TYPED_TEST(PyramidOf, AgreesWithARow) {
  std::mt19937 random(1);
  for (const std::size_t width : widths) {
    CheckedPyramid<TypeParam> checked(width);
    for (int round = 0; round < scaled(600, 60); ++round) {
      const std::size_t i = random() % width;
      if (round % 4 == 0) checked.set(i, 0);
      if (round % 4 == 1) checked.set(i, weaken(random, checked[i]));
      if (round % 4 >= 2) checked.include(i, random_number(random, TypeParam()));
      const auto query = random_query(random, TypeParam());
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_from(random() % width, query));
      if (round % 20 != 0) continue;
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_numbers());
    }
  }
}

TYPED_TEST(PyramidOf, FindsOneNumberFromEveryPlace) {
  for (const std::size_t width : {1U, 16U, 17U, 257U}) {
    CheckedPyramid<TypeParam> checked(width);
    for (std::size_t i = 0; i < width; ++i) {
      checked.include(i, 1);
      const auto query = static_cast<typename CheckedPyramid<TypeParam>::Query>(
          std::is_same_v<TypeParam, MaxSummary> ? 1 : 0);
      for (std::size_t from = 0; from < width; ++from)
        ASSERT_NO_FATAL_FAILURE(checked.expect_same_from(from, query));
      checked.set(i, 0);
    }
  }
}

TYPED_TEST(PyramidOf, FindsNothingBehindTheRow) {
  for (const std::size_t width : widths) {
    Pyramid<TypeParam> pyramid(width);
    for (std::size_t i = 0; i < width; ++i) pyramid.include(i, 1);
    const auto query = static_cast<typename CheckedPyramid<TypeParam>::Query>(
        std::is_same_v<TypeParam, MaxSummary> ? 1 : 0);
    EXPECT_EQ(pyramid.next(width, query), Pyramid<TypeParam>::none) << width;
  }
}

TYPED_TEST(PyramidOf, IsEmptyAfterClear) {
  std::mt19937 random(2);
  for (const std::size_t width : widths) {
    CheckedPyramid<TypeParam> checked(width);
    for (int i = 0; i < 100; ++i)
      checked.include(random() % width, random_number(random, TypeParam()));
    checked.clear();
    ASSERT_NO_FATAL_FAILURE(checked.expect_same_numbers());
    ASSERT_NO_FATAL_FAILURE(checked.expect_same_from(0, random_query(random, TypeParam())));
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

TEST(OrPyramid, FindsEveryBit) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    Pyramid<OrSummary> pyramid(40);
    pyramid.include(37, std::uint64_t{1} << bit);
    for (unsigned asked = 0; asked < 64; ++asked)
      EXPECT_EQ(pyramid.first(asked), asked == bit ? 37 : Pyramid<OrSummary>::none);
  }
}

}  // namespace
}  // namespace glassheap
