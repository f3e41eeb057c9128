// The bitmap against std::set: it must have the same members and find the same neighbours, in every
// width, around every word boundary, and through every level of its summaries.

#include "base/bitmap.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

#include "base/region.hpp"
#include "limits.hpp"

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
  void toggle_all() {
    for (std::size_t i = 0; i < bits_; ++i) toggle(i);
  }
  // A summary bit that is set for an empty word would lead next() astray; one that is missing would
  // hide members.
  void expect_no_summary_without_members() {
    while (!members_.empty()) toggle(*members_.begin());
    for (std::size_t i = 0; i + 1 < words_.size(); ++i) ASSERT_EQ(words_[i], 0U) << i;
  }
  void expect_same_at(std::size_t i) const {
    const auto next = members_.lower_bound(i);
    const auto above = members_.upper_bound(i);
    ASSERT_EQ(bitmap_.test(i), members_.contains(i)) << i << " of " << bits_;
    ASSERT_EQ(bitmap_.next(i), next == members_.end() ? Bitmap::none : *next) << i;
    ASSERT_EQ(bitmap_.prev(i), above == members_.begin() ? Bitmap::none : *std::prev(above)) << i;
  }
  void expect_same_everywhere() const {
    for (std::size_t i = 0; i < bits_; ++i) ASSERT_NO_FATAL_FAILURE(expect_same_at(i)) << bits_;
    ASSERT_EQ(bitmap_.next(bits_), Bitmap::none) << bits_;
    ASSERT_EQ(words_.back(), canary) << bits_;
  }

 private:
  static constexpr Bitmap::Word canary = 0x5AFE5AFE5AFE5AFE;

  std::size_t bits_;
  std::vector<Bitmap::Word> words_;
  Bitmap bitmap_;
  std::set<std::size_t> members_;
};

TEST(Bitmap, FindsASingleMemberOrGapFromEveryPlaceInEveryWidth) {
  for (std::size_t bits = 1; bits <= 130; ++bits) {
    for (const bool full : {false, true}) {
      CheckedBitmap checked(bits);
      if (full) checked.toggle_all();
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_everywhere());
      for (std::size_t i = 0; i < bits; ++i) {
        checked.toggle(i);
        ASSERT_NO_FATAL_FAILURE(checked.expect_same_everywhere());
        checked.toggle(i);
      }
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
    ASSERT_NO_FATAL_FAILURE(checked.expect_no_summary_without_members());
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
    ASSERT_NO_FATAL_FAILURE(checked.expect_same_at(0));
    ASSERT_NO_FATAL_FAILURE(checked.expect_same_at(bits - 1));
    ASSERT_NO_FATAL_FAILURE(checked.expect_no_summary_without_members());
  }
}

// Another program may write to the words of a shared heap. A search then ends, reads no other words
// (AddressSanitizer sees that), and finds a place in its direction, at most in the padding.
TEST(Bitmap, SearchesInItsDirectionWhateverTheWordsAre) {
  std::mt19937_64 random(4);
  for (const std::size_t bits : {1U, 64U, 65U, 4096U, 4097U, 262145U, 1000003U}) {
    std::vector<Bitmap::Word> words(Bitmap::words_for(bits));
    const Bitmap bitmap(words.data(), bits);
    const std::size_t padded = bits + 64 * 3;
    for (int round = 0; round < scaled(2000, 200); ++round) {
      words[random() % words.size()] = random() % 2 == 0 ? random() : 0;
      const std::size_t i = random() % bits;
      const std::size_t next = bitmap.next(i);
      ASSERT_TRUE(next == Bitmap::none || (i <= next && next < padded)) << next << " from " << i;
      const std::size_t prev = bitmap.prev(i);
      ASSERT_TRUE(prev <= i || prev > Bitmap::none - 64) << prev << " from " << i;
    }
  }
}

// The largest region has 2^32 - 1 granules: its map needs all six levels, and three words around
// level 0 that are always zero. The words are in a mapped region, whose pages take no memory until
// they are touched.
TEST(Bitmap, ServesTheLargestRegion) {
  constexpr std::size_t bits = (std::size_t{1} << 32) - 1;
  const std::size_t words = Bitmap::words_for(bits);
  EXPECT_EQ(words, 3 + 67108864U + 1048576U + 16384U + 256U + 4U + 1U);
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
