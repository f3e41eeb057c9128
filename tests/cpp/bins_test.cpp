// Size classes and bins: the class numbers against their definition, the set of occupied bins
// against std::set, and the order of the blocks in a bin.

#include "policy/bins.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/region.hpp"
#include "policy/buddy.hpp"
#include "policy/segregated_fit.hpp"
#include "policy/tlsf.hpp"
#include "printing.hpp"
#include "scale.hpp"

namespace glassheap {
namespace {

// One class for each number of granules below 2^exact; above, 16 steps a doubling.
TEST(SizeClass, IsWhatItsDefinitionCounts) {
  for (const int exact : {4, 5, 6}) {
    std::size_t expected = 0;
    for (Size granules = 1; granules < 70000; ++granules) {
      const Size doubling = std::bit_floor(granules);
      const bool is_step = granules < Size{1} << exact || granules % (doubling / 16) == 0;
      if (is_step) ++expected;
      ASSERT_EQ(size_class(granules * 16, exact), expected) << granules << ", exact " << exact;
      if (granules + 1 == Size{1} << exact) expected = (std::size_t{1} << exact) - 1;
    }
  }
}

TEST(SizeClass, NeverGoesDown) {
  for (const int exact : {4, 6}) {
    for (Size extent = 16; extent < largest_region / 3; extent += 16 + extent / 97 / 16 * 16) {
      const std::size_t here = size_class(extent, exact);
      ASSERT_LE(here, size_class(extent + 16, exact));
      ASSERT_LE(size_class(extent + 16, exact), here + 1);
    }
  }
}

// The set of occupied bins has room for the highest bin of each policy.
TEST(SizeClass, OfTheLargestRegionFits) {
  BinMap occupied;
  for (const std::size_t bin : {SegregatedFit::bin_of(largest_region), Tlsf::bin_of(largest_region),
                                Buddy::bin_of(largest_region)}) {
    occupied.set(bin);
    EXPECT_EQ(occupied.next(bin), bin);
    occupied.clear(bin);
    EXPECT_EQ(occupied.last(), BinMap::none);
  }
}

TEST(BinMap, AgreesWithASet) {
  constexpr std::size_t count = 9 * 64;
  std::mt19937 random(1);
  BinMap occupied;
  std::set<std::size_t> members;
  for (int change = 0; change < scaled(20000, 2000); ++change) {
    const std::size_t bin = random() % (change % 2 == 0 ? count : 80);
    if (members.erase(bin) == 1) {
      occupied.clear(bin);
    } else {
      members.insert(bin);
      occupied.set(bin);
    }
    ASSERT_EQ(occupied.last(), members.empty() ? BinMap::none : *members.rbegin());
    for (const std::size_t from : {std::size_t{0}, bin, random() % count, count - 1}) {
      const auto next = members.lower_bound(from);
      ASSERT_EQ(occupied.next(from), next == members.end() ? BinMap::none : *next) << from;
    }
  }
}

class BinsTest : public ::testing::Test {
 protected:
  static constexpr Size size = 1024;

  BinsTest() {
    map_.add_live({0, size});
    for (Offset at = 16; at < 16 * 17; at += 16) map_.add_live({at, size - at});
  }
  Block freed(Offset at) {
    map_.make_free({at, 16});
    return {at, 16};
  }
  [[nodiscard]] std::vector<Offset> in_bin(std::size_t bin) const {
    std::vector<Offset> starts;
    bins_.walk(bin, [&starts](Block block) { starts.push_back(block.start); });
    return starts;
  }

  Region region_ = Region::map(size, granule_size, 0);
  BlockBytes bytes_{{region_.data(), region_.size()}, Layout{}, 1};
  BlockMap map_{size};
  Bins<Top::listed> bins_{bytes_, map_, 10, [](Block, Block) noexcept { return true; }};
};

TEST_F(BinsTest, ABinIsLastInFirstOut) {
  for (const Offset at : {32U, 64U, 96U}) bins_.push(3, freed(at));
  EXPECT_EQ(in_bin(3), (std::vector<Offset>{96, 64, 32}));
  EXPECT_EQ(bins_.front(3), (Block{96, 16}));
  EXPECT_EQ(bins_.after({96, 16}), (Block{64, 16}));
  EXPECT_FALSE(bins_.after({32, 16}));
  bins_.erase(3, {64, 16});
  EXPECT_EQ(in_bin(3), (std::vector<Offset>{96, 32}));
}

TEST_F(BinsTest, ABinIsOccupiedWhileItHasBlocks) {
  bins_.push(2, freed(32));
  bins_.push(7, freed(64));
  bins_.push(7, freed(96));
  EXPECT_EQ(bins_.next(0), 2U);
  EXPECT_EQ(bins_.next(3), 7U);
  EXPECT_EQ(bins_.last(), 7U);
  bins_.erase(7, {64, 16});
  EXPECT_EQ(bins_.last(), 7U);
  bins_.erase(7, {96, 16});
  EXPECT_EQ(bins_.last(), 2U);
  EXPECT_EQ(bins_.next(3), (Bins<Top::listed>::none));
  bins_.clear();
  EXPECT_EQ(bins_.next(0), (Bins<Top::listed>::none));
}

}  // namespace
}  // namespace glassheap
