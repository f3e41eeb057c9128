// Alignment: any power of two up to a quarter of the region, for the address that the caller sees
// and for the place where the payload really lies.

#include <gtest/gtest.h>

#include "rig.hpp"

namespace glassheap {
namespace {

class Alignment : public EveryPolicy {
 protected:
  static Options based(Size size, std::optional<Address> base) {
    Options with_base = options(size);
    with_base.base = base;
    return with_base;
  }

  static void expect_aligned(Rig& rig, Address payload, Size align) {
    EXPECT_EQ(payload % align, 0U) << "the address that the caller sees, for " << align;
    EXPECT_EQ(std::bit_cast<Address>(rig.at(payload)) % align, 0U)
        << "the real place, for " << align;
  }

  // Serves every power of two up to a quarter of the region, once in a fresh heap and once behind a
  // block that spoils the alignment.
  static void expect_all_served(const Options& how) {
    for (Size align = 1; align <= (how.size + 15) / 16 * 16 / 4; align *= 2) {
      Rig rig(how);
      expect_aligned(rig, rig.malloc(16, align), align);
      rig.reset();
      rig.malloc(0);
      expect_aligned(rig, rig.malloc(16, align), align);
      EXPECT_TRUE(rig.check().empty());
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Alignment, ::testing::ValuesIn(variants()), by_name);

class ExactAlignment : public Alignment {};
INSTANTIATE_TEST_SUITE_P(Policies, ExactAlignment, ::testing::ValuesIn(variants(cuts_anywhere)),
                         by_name);

TEST_P(Alignment, EveryPowerOfTwoUpToAQuarterIsServed) {
  for (const Size size : {Size{64}, Size{256}, Size{1024}, Size{4096}, Size{5008}, Size{1} << 20})
    expect_all_served(based(size, std::nullopt));
}

// Base 0 makes addresses offsets; odd multiples of 16 make visible and real addresses differ most.
TEST_P(Alignment, HoldsFromEveryBase) {
  for (const Address base : {Address{0}, Address{16}, Address{48}, Address{512}, Address{0x12340},
                             Address{1} << 40, (Address{1} << 40) + 4080}) {
    for (const Size size : {Size{256}, Size{4096}, Size{5008}, Size{1} << 20})
      expect_all_served(based(size, base));
  }
}

// A size is rounded up to a granule; what a quarter of the region is follows from the rounded one,
// and so must the place of the region.
TEST_P(Alignment, HoldsFromEveryBaseInARegionWhoseSizeIsRoundedUp) {
  for (const Size size : {Size{113}, Size{127}, Size{255}, Size{4081}, Size{4095}, Size{65535}}) {
    for (const Address base : {Address{0}, Address{16}, Address{32}, Address{512}, Address{8192}})
      expect_all_served(based(size, base));
  }
}

TEST_P(Alignment, OfOneToSixteenAllMeanSixteen) {
  for (const Size align : {1U, 2U, 4U, 8U, 16U}) {
    Rig rig(options());
    rig.malloc(3);
    EXPECT_EQ(rig.malloc(1, align), rig->base() + extent(3) + front());
  }
}

TEST_P(Alignment, ThatIsNoPowerOfTwoOrTooLargeIsRefused) {
  Rig rig(options(4096));
  const Address payload = rig.malloc(100);
  for (const Size align : {Size{0}, Size{3}, Size{17}, Size{24}, Size{1023}, Size{2048}, Size{4096},
                           Size{1} << 62, Size{1} << 63, ~Size{0}}) {
    const Fault fault = rig.refused_malloc(16, align);
    EXPECT_EQ(fault.kind, FaultKind::invalid_alignment) << align;
    EXPECT_EQ(fault.found, align);
    EXPECT_EQ(fault.expected, 1024U);
    EXPECT_EQ(rig.refused_realloc(payload, 16, align).kind, FaultKind::invalid_alignment);
    EXPECT_EQ(rig.refused_realloc(0, 16, align).kind, FaultKind::invalid_alignment);
  }
}

// The gap in front of an aligned block is a free block of its own, and merges again.
TEST_P(Alignment, TheGapInFrontIsFreeAndComesBack) {
  Rig rig(options());
  const Snapshot fresh(*rig);
  for (Size align = 32; align <= 1024; align *= 2) {
    const Address payload = rig.malloc(100, align);
    Size free = 0;
    for (const BlockInfo& block : rig.walk()) free += block.live ? 0 : block.extent;
    EXPECT_EQ(free, 4096 - extent(100)) << "Some bytes are lost to alignment " << align;
    rig.free(payload);
    expect_all_free(rig);
  }
}

// The gap may be a single granule, and the block may end with the region.
TEST_P(ExactAlignment, WorksWithTheSmallestGapAndNoRest) {
  Rig rig(options(4096));
  for (Size gap = 16; gap <= 128; gap += 16) {
    rig.reset();
    const Size left = 1024 - front() - gap;
    rig.malloc(left - front());
    const Address payload = rig.malloc(4096 - 1024, 1024);
    EXPECT_EQ(payload, rig->base() + 1024);
    EXPECT_EQ(rig.free_list(), (std::vector<FreeBlock>{{rig->base() + left, gap - front()}}));
    EXPECT_TRUE(rig.check().empty());
  }
}

// A free block that is large enough but cannot hold the aligned payload is no candidate.
TEST_P(ExactAlignment, ThatNothingCanHoldIsOutOfMemory) {
  Rig rig(options(4096));
  rig.malloc(16);
  const Address second = rig.malloc(1000);
  rig.malloc(4096 - extent(16) - extent(1000) - front());
  rig.free(second);
  const Fault fault = rig.refused_malloc(1000, 1024);
  EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
  EXPECT_GE(fault.shortage.largest, 1000U);
  EXPECT_EQ(fault.shortage.align, 1024U);
  EXPECT_EQ(rig.malloc(1000), second);
}

TEST_P(Alignment, OfHandlesIsTheSame) {
  Rig rig(options());
  Handle handle;
  EXPECT_TRUE(rig.granted([&](Fault& f) { return rig->acquire(10, 512, handle, f); }));
  expect_aligned(rig, handle.address, 512);
  const auto call = [&](Fault& f) { EXPECT_FALSE(rig->acquire(10, 24, handle, f)); };
  EXPECT_EQ(rig.refused(call).kind, FaultKind::invalid_alignment);
}

}  // namespace
}  // namespace glassheap
