// Size classes, bins and buddies: the class numbers against their definition, the set of occupied
// bins against std::set, and the arithmetic of buddies against brute force.

#include "policy/bins.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "limits.hpp"
#include "policy/buddy.hpp"
#include "policy/segregated_fit.hpp"
#include "policy/tlsf.hpp"
#include "printing.hpp"
#include "space/buddies.hpp"

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
  for (std::size_t order = 0; order < 32; ++order)
    EXPECT_EQ(Buddy::bin_of(granule_size << order), order);
}

// --- Buddies. -----------------------------------------------------------------------------------

// The first piece of a span is the largest power of two that is aligned and fits. The enclosing
// block is the smallest aligned power of two that holds the span.
TEST(BuddyArithmetic, AgreesWithBruteForce) {
  for (Offset start = 0; start < 2048; start += 16) {
    for (Size extent = 16; extent < 2048; extent += 16) {
      const Block span{start, extent};
      Size largest = 16;
      for (Size power = 16; power <= extent; power *= 2) largest = start % power ? largest : power;
      ASSERT_EQ(first_piece(span), (Block{start, largest})) << start << ' ' << extent;
      Size power = 16;
      while (start / power != (span.end() - 16) / power) power *= 2;
      ASSERT_EQ(enclosing(span), (Block{start / power * power, power})) << start << ' ' << extent;
    }
  }
}

TEST(BuddyArithmetic, HoldsInTheLargestRegion) {
  const Size half = Size{1} << 35;
  EXPECT_EQ(first_piece({0, largest_region}), (Block{0, half}));
  EXPECT_EQ(first_piece({half, largest_region - half}), (Block{half, half / 2}));
  EXPECT_EQ(first_piece({largest_region - 16, 16}), (Block{largest_region - 16, 16}));
  EXPECT_EQ(enclosing({half - 16, 32}), (Block{0, 2 * half}));
  EXPECT_EQ(enclosing({largest_region - 16, 16}), (Block{largest_region - 16, 16}));
}

}  // namespace
}  // namespace glassheap
