// Size classes and bins: the class numbers against their definition, and the set of occupied bins
// against std::set.

#include "policy/bins.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "policy/buddy.hpp"
#include "policy/segregated_fit.hpp"
#include "policy/tlsf.hpp"
#include "limits.hpp"

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

TEST(BinMap, HasRoomForTheHighestBinOfEachPolicy) {
  for (const std::size_t bin : {SegregatedFit::bin_of(largest_region), Tlsf::bin_of(largest_region),
                                Buddy::bin_of(largest_region)}) {
    BinMap occupied;
    occupied.set(bin);
    EXPECT_EQ(occupied.next(bin), bin);
    occupied.clear(bin);
    EXPECT_EQ(occupied.last(), BinMap::none);
  }
}

}  // namespace
}  // namespace glassheap
