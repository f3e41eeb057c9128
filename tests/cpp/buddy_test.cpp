// The arithmetic of buddies against brute force.

#include "policy/buddy.hpp"

#include <gtest/gtest.h>

#include "printing.hpp"
#include "space/buddies.hpp"

namespace glassheap {
namespace {

TEST(BuddyArithmetic, TheFirstPieceIsTheLargestAlignedPowerThatFits) {
  for (Offset start = 0; start < 2048; start += 16) {
    for (Size extent = 16; extent < 2048; extent += 16) {
      Size largest = 16;
      for (Size power = 16; power <= extent; power *= 2) largest = start % power ? largest : power;
      ASSERT_EQ(first_piece({start, extent}), (Block{start, largest})) << start << ' ' << extent;
    }
  }
}

TEST(BuddyArithmetic, TheEnclosingBlockIsTheSmallestThatHoldsTheSpan) {
  for (Offset start = 0; start < 1024; start += 16) {
    for (Size extent = 16; extent < 1024; extent += 16) {
      Size power = 16;
      while (start / power != (start + extent - 16) / power) power *= 2;
      ASSERT_EQ(enclosing({start, extent}), (Block{start / power * power, power}))
          << start << ' ' << extent;
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

TEST(BuddyArithmetic, ABinIsAnOrder) {
  for (std::size_t order = 0; order < 32; ++order)
    EXPECT_EQ(Buddy::bin_of(granule_size << order), order);
}

}  // namespace
}  // namespace glassheap
