// Alignment: any power of two up to a quarter of the region, for the heap's address of the payload
// and for its real address in memory.

#include <gtest/gtest.h>

#include "heap_fixture.hpp"

namespace glassheap {
namespace {

class Alignment : public EveryPolicy {
 protected:
  static Options based(Size size, std::optional<Address> base) {
    Options with_base = options(size);
    with_base.base = base;
    return with_base;
  }

  static void expect_aligned(HeapFixture& heap, Address payload, Size align) {
    EXPECT_EQ(payload % align, 0U) << "the heap's address, for " << align;
    EXPECT_EQ(std::bit_cast<Address>(heap.at(payload)) % align, 0U)
        << "the real address, for " << align;
  }

  // Expects every power of two up to a quarter of the region to be served, once in a fresh heap and
  // once behind a block that spoils the alignment.
  static void expect_all_served(const Options& options) {
    for (Size align = 1; align <= (options.size + 15) / 16 * 16 / 4; align *= 2) {
      HeapFixture heap(options);
      expect_aligned(heap, heap.malloc(16, align), align);
      heap.reset();
      heap.malloc(0);
      expect_aligned(heap, heap.malloc(16, align), align);
      EXPECT_TRUE(heap.check().empty());
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Alignment, ::testing::ValuesIn(variants()), by_name);

class ExactAlignment : public Alignment {};
INSTANTIATE_TEST_SUITE_P(Policies, ExactAlignment, ::testing::ValuesIn(variants(splits_anywhere)),
                         by_name);

TEST_P(Alignment, EveryPowerOfTwoUpToAQuarterIsServed) {
  for (const Size size : {Size{64}, Size{256}, Size{1024}, Size{4096}, Size{5008}, Size{1} << 20})
    expect_all_served(based(size, std::nullopt));
}

// With base 0 addresses are offsets; with odd multiples of 16 the heap's addresses and the real
// ones differ most.
TEST_P(Alignment, HoldsFromEveryBase) {
  for (const Address base : {Address{0}, Address{16}, Address{48}, Address{512}, Address{0x12340},
                             Address{1} << 40, (Address{1} << 40) + 4080}) {
    for (const Size size : {Size{256}, Size{4096}, Size{5008}, Size{1} << 20})
      expect_all_served(based(size, base));
  }
}

// A size is rounded up to a granule. A quarter of the region is a quarter of the rounded size, and
// the region must be placed by that.
TEST_P(Alignment, HoldsFromEveryBaseInARegionWhoseSizeIsRoundedUp) {
  for (const Size size : {Size{113}, Size{127}, Size{255}, Size{4081}, Size{4095}, Size{65535}}) {
    for (const Address base : {Address{0}, Address{16}, Address{32}, Address{512}, Address{8192}})
      expect_all_served(based(size, base));
  }
}

TEST_P(Alignment, OfOneToSixteenAllMeanSixteen) {
  for (const Size align : {1U, 2U, 4U, 8U, 16U}) {
    HeapFixture heap(options());
    heap.malloc(3);
    EXPECT_EQ(heap.malloc(1, align), heap->base() + extent(3) + front());
  }
}

TEST_P(Alignment, ThatIsNoPowerOfTwoOrTooLargeIsRefused) {
  HeapFixture heap(options(4096));
  const Address payload = heap.malloc(100);
  for (const Size align : {Size{0}, Size{3}, Size{17}, Size{24}, Size{1023}, Size{2048}, Size{4096},
                           Size{1} << 62, Size{1} << 63, ~Size{0}}) {
    const Fault fault = heap.refused_malloc(16, align);
    EXPECT_EQ(fault.kind, FaultKind::invalid_alignment) << align;
    EXPECT_EQ(fault.argument, align);
    EXPECT_EQ(fault.maximum, 1024U);
    EXPECT_EQ(heap.refused_realloc(payload, 16, align).kind, FaultKind::invalid_alignment);
    EXPECT_EQ(heap.refused_realloc(0, 16, align).kind, FaultKind::invalid_alignment);
  }
}

// The gap in front of an aligned block is a free block of its own, and merges again later.
TEST_P(Alignment, TheGapInFrontIsFreeAndComesBack) {
  HeapFixture heap(options());
  const Snapshot fresh(*heap);
  for (Size align = 32; align <= 1024; align *= 2) {
    const Address payload = heap.malloc(100, align);
    Size free = 0;
    for (const BlockInfo& block : heap.walk()) free += block.live ? 0 : block.extent;
    EXPECT_EQ(free, 4096 - extent(100)) << "bytes are lost to alignment " << align;
    heap.free(payload);
    expect_all_free(heap);
  }
}

// The gap may be a single granule, and the block may end where the region ends.
TEST_P(ExactAlignment, WorksWithTheSmallestGapAndNoRest) {
  HeapFixture heap(options(4096));
  for (Size gap = 16; gap <= 128; gap += 16) {
    heap.reset();
    const Size left = 1024 - front() - gap;
    heap.malloc(left - front());
    const Address payload = heap.malloc(4096 - 1024, 1024);
    EXPECT_EQ(payload, heap->base() + 1024);
    EXPECT_EQ(heap.free_list(), (std::vector<FreeBlock>{{heap->base() + left, gap - front()}}));
    EXPECT_TRUE(heap.check().empty());
  }
}

// A free block that is large enough but cannot hold the aligned payload is not a candidate.
TEST_P(ExactAlignment, ThatNothingCanHoldIsOutOfMemory) {
  HeapFixture heap(options(4096));
  heap.malloc(16);
  const Address second = heap.malloc(1000);
  heap.malloc(4096 - extent(16) - extent(1000) - front());
  heap.free(second);
  const Fault fault = heap.refused_malloc(1000, 1024);
  EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
  EXPECT_GE(fault.shortage.largest, 1000U);
  EXPECT_EQ(fault.shortage.align, 1024U);
  EXPECT_EQ(heap.malloc(1000), second);
}

TEST_P(Alignment, OfHandlesIsTheSame) {
  HeapFixture heap(options());
  Handle handle;
  EXPECT_TRUE(heap.granted([&](Fault& f) { return heap->acquire(10, 512, handle, f); }));
  expect_aligned(heap, handle.address, 512);
  const auto call = [&](Fault& f) { EXPECT_FALSE(heap->acquire(10, 24, handle, f)); };
  EXPECT_EQ(heap.refused(call).kind, FaultKind::invalid_alignment);
}

}  // namespace
}  // namespace glassheap
