// The bitmap against std::set: it must have the same members and find the same neighbours, in every
// width, around every word boundary, and through every level of its summaries.

#include "base/bitmap.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

#include "base/region.hpp"
#include "scale.hpp"

namespace glassheap {
namespace {

// A bitmap and a std::set with the same members. A canary behind the bitmap's words detects a write
// past its end.
class CheckedBitmap {
 public:
  explicit CheckedBitmap(std::size_t bits)
      : bits_(bits), words_(Bitmap::words_for(bits) + 1), bitmap_(words_.data(), bits) {
    words_.back() = canary;
  }

  void toggle(std::size_t i) {
    if (members_.erase(i) == 1) {
      bitmap_.clear(i);
    } else {
      members_.insert(i);
      bitmap_.set(i);
    }
  }

  void expect_same_at(std::size_t i) const {
    ASSERT_EQ(bitmap_.test(i), members_.contains(i)) << i << " of " << bits_;
    ASSERT_EQ(bitmap_.next(i), next(i)) << i << " of " << bits_;
    ASSERT_EQ(bitmap_.prev(i), prev(i)) << i << " of " << bits_;
  }
  void expect_same_everywhere() const {
    for (std::size_t i = 0; i < bits_; ++i) ASSERT_NO_FATAL_FAILURE(expect_same_at(i));
    ASSERT_EQ(words_.back(), canary) << bits_;
  }

  void clear_all() {
    while (!members_.empty()) toggle(*members_.begin());
  }
  [[nodiscard]] bool all_words_are_zero() const {
    return std::all_of(words_.begin(), words_.end() - 1, [](auto word) { return word == 0; });
  }
  [[nodiscard]] std::size_t bits() const { return bits_; }
  [[nodiscard]] std::size_t past_the_end() const { return bitmap_.next(bits_); }

 private:
  static constexpr Bitmap::Word canary = 0x5AFE5AFE5AFE5AFE;

  [[nodiscard]] std::size_t next(std::size_t i) const {
    const auto member = members_.lower_bound(i);
    return member == members_.end() ? Bitmap::none : *member;
  }
  [[nodiscard]] std::size_t prev(std::size_t i) const {
    const auto above = members_.upper_bound(i);
    return above == members_.begin() ? Bitmap::none : *std::prev(above);
  }

  std::size_t bits_;
  std::vector<Bitmap::Word> words_;
  Bitmap bitmap_;
  std::set<std::size_t> members_;
};

TEST(Bitmap, FindsASingleMemberFromEveryPlaceInEveryWidth) {
  for (std::size_t bits = 1; bits <= 130; ++bits) {
    CheckedBitmap checked(bits);
    for (std::size_t member = 0; member < bits; ++member) {
      checked.toggle(member);
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_everywhere());
      checked.toggle(member);
    }
  }
}

TEST(Bitmap, AgreesWithASetInEveryWidthUpTo300) {
  std::mt19937 random(1);
  for (std::size_t bits = 1; bits <= 300; ++bits) {
    CheckedBitmap checked(bits);
    for (int round = 0; round < scaled(20, 4); ++round) {
      for (int i = 0; i < 10; ++i) checked.toggle(random() % bits);
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_everywhere());
    }
  }
}

TEST(Bitmap, FindsEveryGapWhenFull) {
  CheckedBitmap checked(300);
  for (std::size_t i = 0; i < 300; ++i) checked.toggle(i);
  for (std::size_t gap = 0; gap < 300; ++gap) {
    checked.toggle(gap);
    ASSERT_NO_FATAL_FAILURE(checked.expect_same_everywhere());
    checked.toggle(gap);
  }
}

// A summary bit that is set for an empty word would lead next() astray; one that is missing would
// hide members.
TEST(Bitmap, LeavesNoSummaryBehindWhenTheLastMemberGoes) {
  std::mt19937 random(2);
  for (const std::size_t bits : {1U, 64U, 65U, 4096U, 4097U, 262144U, 262145U, 300000U}) {
    CheckedBitmap checked(bits);
    for (int i = 0; i < 200; ++i) checked.toggle(random() % bits);
    checked.clear_all();
    EXPECT_TRUE(checked.all_words_are_zero()) << bits;
    EXPECT_NO_FATAL_FAILURE(checked.expect_same_at(bits / 2));
  }
}

// The members are far apart, so that a search climbs three levels or more and descends again.
TEST(Bitmap, CrossesManyLevelsBothWays) {
  std::mt19937 random(3);
  for (const std::size_t bits : {4096U, 4097U, 262143U, 262144U, 262145U, 20000003U}) {
    CheckedBitmap checked(bits);
    for (int round = 0; round < scaled(300, 60); ++round) {
      checked.toggle(random() % bits);
      for (int look = 0; look < 50; ++look)
        ASSERT_NO_FATAL_FAILURE(checked.expect_same_at(random() % bits));
    }
    EXPECT_NO_FATAL_FAILURE(checked.expect_same_at(0));
    EXPECT_NO_FATAL_FAILURE(checked.expect_same_at(bits - 1));
  }
}

TEST(Bitmap, HasNothingPastItsEnd) {
  for (std::size_t bits = 1; bits <= 300; ++bits) {
    CheckedBitmap checked(bits);
    for (std::size_t i = 0; i < bits; ++i) checked.toggle(i);
    EXPECT_EQ(checked.past_the_end(), Bitmap::none);
  }
}

// The words that are always zero: one before level 0, and two after it.
constexpr std::size_t around = 3;

TEST(Bitmap, NeedsOneMoreWordIn63ForItsSummaries) {
  EXPECT_EQ(Bitmap::words_for(1), around + 1U + 1U);
  EXPECT_EQ(Bitmap::words_for(64), around + 1U + 1U);
  EXPECT_EQ(Bitmap::words_for(65), around + 2U + 1U);
  EXPECT_EQ(Bitmap::words_for(64 * 64), around + 64U + 1U);
  EXPECT_EQ(Bitmap::words_for(64 * 64 + 1), around + 65U + 2U + 1U);
}

// The largest region has 2^32 - 1 granules: its map needs all six levels. The words are in a mapped
// region, whose pages take no memory until they are touched.
TEST(Bitmap, ServesTheLargestRegion) {
  constexpr std::size_t bits = (std::size_t{1} << 32) - 1;
  const std::size_t words = Bitmap::words_for(bits);
  EXPECT_EQ(words, around + 67108864U + 1048576U + 16384U + 256U + 4U + 1U);
  const Region memory = Region::map(words * sizeof(Bitmap::Word), granule_size, 0);
  if (!memory) GTEST_SKIP() << "This system does not provide so much address space.";
  Bitmap bitmap(reinterpret_cast<Bitmap::Word*>(memory.data()), bits);
  bitmap.set(0);
  bitmap.set(bits - 1);
  EXPECT_EQ(bitmap.next(1), bits - 1);
  EXPECT_EQ(bitmap.prev(bits - 2), 0U);
  bitmap.clear(0);
  EXPECT_EQ(bitmap.prev(bits - 2), Bitmap::none);
}

}  // namespace
}  // namespace glassheap
