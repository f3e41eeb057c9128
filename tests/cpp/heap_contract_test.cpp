// The contract of every heap, whatever its policy: sizes, splitting, coalescing, calloc. These
// tests use the bytes, the walk, the free list and the counters, never the internals of a policy.

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include "heap_fixture.hpp"

namespace glassheap {
namespace {

constexpr Size most = std::numeric_limits<Size>::max();

class HeapContract : public EveryPolicy {
 protected:
  // The free blocks, counted again from the walk.
  static Shortage recounted(HeapFixture& heap) {
    Shortage sum;
    for (const BlockInfo& block : heap.walk()) {
      if (block.live) continue;
      sum.available += block.size;
      sum.largest = std::max(sum.largest, block.size);
      ++sum.free_blocks;
    }
    return sum;
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, HeapContract, ::testing::ValuesIn(variants()), by_name);

// For layouts with headers.
class HeaderContract : public HeapContract {};
INSTANTIATE_TEST_SUITE_P(Policies, HeaderContract, ::testing::ValuesIn(variants(has_headers)),
                         by_name);

// For policies whose blocks are no longer than necessary.
class SplittingContract : public HeapContract {};
INSTANTIATE_TEST_SUITE_P(Policies, SplittingContract,
                         ::testing::ValuesIn(variants(splits_anywhere)), by_name);

// For policies that coalesce adjacent blocks at once; and for those that do so at the latest when
// every block is free.
class CoalescingContract : public HeapContract {};
INSTANTIATE_TEST_SUITE_P(Policies, CoalescingContract,
                         ::testing::ValuesIn(variants(coalesces_neighbours)), by_name);
class FullCoalescingContract : public HeapContract {};
INSTANTIATE_TEST_SUITE_P(Policies, FullCoalescingContract,
                         ::testing::ValuesIn(variants(coalesces_fully)), by_name);

// --- malloc. -----------------------------------------------------------------------------------

TEST_P(HeapContract, EachSizeIsKeptAndTakesTheExtentOfItsLayout) {
  for (Size size = 0; size <= 300; ++size) {
    HeapFixture heap(options());
    const Address payload = heap.malloc(size);
    const BlockInfo block = heap.info(payload);
    EXPECT_TRUE(block.live);
    EXPECT_EQ(block.size, reported(size));
    EXPECT_EQ(block.extent, extent(size));
    EXPECT_EQ(block.address, block.start + front());
    EXPECT_EQ(heap.granted([&](Fault& f) { return heap->usable_size(payload, f); }),
              block.extent - front());
  }
}

// The documented bytes: size, magic and serial at their offsets in front of the payload.
TEST_P(HeaderContract, TheHeaderIsInFrontOfThePayload) {
  for (const std::uint32_t magic : {0xDEADBEEF, 0x0U, 0x12345678U}) {
    Options with_magic = options();
    with_magic.magic = magic;
    HeapFixture heap(with_magic);
    for (std::uint16_t serial = 1; serial <= 5; ++serial) {
      header_t header;
      std::memcpy(&header, heap.at(heap.malloc(serial * 20U)) - 16, sizeof header);
      EXPECT_EQ(header.size, serial * 20U);
      EXPECT_EQ(header.magic, magic);
      EXPECT_EQ(header.serial, serial);
    }
  }
}

TEST_P(HeapContract, SplittingLeavesTheRemainderAvailable) {
  HeapFixture heap(options(4096));
  EXPECT_EQ(heap.granted([&](Fault& f) { return heap->available_memory(f); }), 4096 - front());
  heap.malloc(100);
  const auto list = heap.free_list();
  Size recounted = 0;
  for (const FreeBlock& block : list) recounted += block.size;
  EXPECT_EQ(recounted, 4096 - extent(100) - list.size() * front());
  EXPECT_EQ(heap.granted([&](Fault& f) { return heap->available_memory(f); }), recounted);
}

TEST_P(SplittingContract, SplittingLeavesOneBlock) {
  HeapFixture heap(options(4096));
  heap.malloc(100);
  const Size remainder = 3952 + 2 * (16 - front());
  EXPECT_EQ(heap.free_list(), (std::vector<FreeBlock>{{heap->base() + extent(100), remainder}}));
  EXPECT_EQ(heap.granted([&](Fault& f) { return heap->free_list_line(f); }),
            "Free(" + std::to_string(remainder) + ")");
}

// A remainder of one granule is a block of its own, though it offers 0 bytes: it is not absorbed.
TEST_P(SplittingContract, ARemainderOfOneGranuleStaysABlock) {
  HeapFixture heap(options(160));
  const Address payload = heap.malloc(144 - front());
  EXPECT_EQ(heap.info(payload).extent, 144U);
  EXPECT_EQ(heap.free_list(), (std::vector<FreeBlock>{{heap->base() + 144, 16 - front()}}));
  heap.malloc(0);
  EXPECT_TRUE(heap.free_list().empty());
  EXPECT_EQ(heap.granted([&](Fault& f) { return heap->free_list_line(f); }), "(none)");
}

TEST_P(HeapContract, MallocOfZeroGivesADistinctBlockEachTime) {
  HeapFixture heap(options(160));
  std::set<Address> payloads;
  for (int i = 0; i < 10; ++i) payloads.insert(heap.malloc(0));
  EXPECT_EQ(payloads.size(), 10U);
  EXPECT_FALSE(payloads.contains(0));
  EXPECT_EQ(heap.refused_malloc(0).kind, FaultKind::out_of_memory);
  for (const Address payload : payloads) heap.free(payload);
  expect_all_free(heap);
}

// Every byte of every payload may be written: no two payloads overlap, and no header is
// overwritten.
TEST_P(HeapContract, PayloadsAreWholeAndDisjoint) {
  HeapFixture heap(options(8192));
  std::vector<std::pair<Address, Size>> blocks;
  for (Size size = 0; size < 60; ++size) blocks.emplace_back(heap.malloc(size), size);
  for (const auto& [payload, size] : blocks)
    std::memset(heap.at(payload), static_cast<int>(size), size);
  for (const auto& [payload, size] : blocks) {
    for (Size i = 0; i < size; ++i) ASSERT_EQ(heap.at(payload)[i], static_cast<std::byte>(size));
  }
  EXPECT_TRUE(heap.check().empty());
}

TEST_P(HeaderContract, SerialsCountTheAllocationsAndWrap) {
  HeapFixture heap(options());
  for (std::uint32_t i = 1; i <= 70000; ++i) {
    const Address payload = heap.malloc(0);
    ASSERT_EQ(heap.info(payload).serial, i % 65536);
    heap.free(payload);
  }
}

// --- Requests that cannot be served. -----------------------------------------------------------

// No arithmetic on a size may wrap to a small one.
TEST_P(HeapContract, NoImpossibleSizeIsServed) {
  HeapFixture heap(options());
  std::vector<Size> sizes = {4097 - front(), 4097, 100000, largest_region, largest_region + 1};
  for (const Size around : {Size{1} << 31, Size{1} << 32, Size{1} << 36, Size{1} << 63, Size{0}}) {
    for (Size k = 1; k <= 40; ++k) sizes.insert(sizes.end(), {around - k, around + (k << 12) + 1});
  }
  sizes.push_back(Size{1} << 63);
  for (const Size size : sizes) {
    const Fault fault = heap.refused_malloc(size);
    EXPECT_EQ(fault.kind, FaultKind::out_of_memory) << size;
    EXPECT_EQ(fault.argument, size);
  }
  EXPECT_EQ(heap.stats().failures, sizes.size());
}

TEST_P(HeapContract, AShortageReportsTheFreeBlocks) {
  HeapFixture heap(options(4096));
  std::vector<Address> payloads;
  for (int i = 0; i < 16; ++i) payloads.push_back(heap.malloc(240));
  for (std::size_t i = 0; i < 16; i += 4) heap.free(payloads[i]);
  heap.free(payloads[1]);
  const Fault fault = heap.refused_malloc(1000);
  EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
  const Shortage there = recounted(heap);
  EXPECT_EQ(fault.shortage.available, there.available);
  EXPECT_EQ(fault.shortage.free_blocks, there.free_blocks);
  EXPECT_EQ(fault.shortage.largest, there.largest);
}

// out_of_memory if and only if no free block fits: in any state largest_free() bytes are served,
// and one byte more is refused.
TEST_P(HeapContract, ServesItsLargestFreeBlockAndNotAByteMore) {
  HeapFixture heap(options(4096));
  std::mt19937 random(6);
  std::vector<Address> live;
  for (int step = 0; step < 500; ++step) {
    Fault fault;
    if (const Address payload = heap->malloc(random() % 300, 16, fault)) live.push_back(payload);
    if (random() % 2 == 0 && !live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      heap.free(live.back());
      live.pop_back();
    }
    if (heap.free_list().empty()) continue;
    const Size largest = heap.granted([&](Fault& f) { return heap->largest_free(f); });
    EXPECT_EQ(heap.refused_malloc(largest + 1).kind, FaultKind::out_of_memory);
    heap.free(heap.malloc(largest));
  }
}

// --- Coalescing. -------------------------------------------------------------------------------

// Six blocks, freed in each of the 720 orders: afterwards the bytes, the walk and the list are
// those of a fresh heap.
TEST_P(FullCoalescingContract, FreeingInAnyOrderRestoresTheFirstState) {
  std::vector<std::size_t> order(6);
  std::iota(order.begin(), order.end(), 0U);
  HeapFixture heap(options(400));
  const std::vector<std::byte> first(heap.region(), heap.region() + heap->size());
  const auto walk = heap.walk();
  do {
    std::vector<Address> payloads;
    for (const Size size : {16U, 0U, 48U, 7U, 32U, 64U}) payloads.push_back(heap.malloc(size));
    for (const std::size_t i : order) {
      heap.free(payloads[i]);
      ASSERT_TRUE(heap.check().empty());
    }
    ASSERT_EQ(heap.walk(), walk);
    ASSERT_EQ(heap.free_list(), heap.first_list());
    ASSERT_TRUE(std::equal(first.begin(), first.end(), heap.region()));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(CoalescingContract, NoTwoFreeBlocksAreEverAdjacent) {
  std::vector<std::size_t> order(5);
  std::iota(order.begin(), order.end(), 0U);
  HeapFixture heap(options(320));
  do {
    std::vector<Address> payloads;
    for (int i = 0; i < 5; ++i) payloads.push_back(heap.malloc(32));
    for (const std::size_t i : order) {
      heap.free(payloads[i]);
      bool after_free = false;
      for (const BlockInfo& block : heap.walk()) {
        ASSERT_FALSE(after_free && !block.live) << block.start;
        after_free = !block.live;
      }
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(HeapContract, FreeOfNullDoesNothing) {
  HeapFixture heap(options());
  heap.malloc(16);
  const Snapshot before(*heap);
  heap.free(0);
  EXPECT_EQ(Snapshot(*heap), before);
}

// --- calloc. -----------------------------------------------------------------------------------

TEST_P(HeapContract, CallocIsZeroAlsoInMemoryThatWasUsed) {
  HeapFixture heap(options());
  const Address dirty = heap.malloc(4000);
  std::memset(heap.at(dirty), 0xFF, 4000);
  heap.free(dirty);
  const Address payload = heap.calloc(31, 33);
  EXPECT_EQ(heap.info(payload).size, reported(31 * 33));
  for (Size i = 0; i < 31 * 33; ++i) ASSERT_EQ(heap.at(payload)[i], std::byte{0}) << i;
}

TEST_P(HeapContract, CallocNeverWraps) {
  HeapFixture heap(options());
  for (const auto& [count, size] :
       std::vector<std::pair<Size, Size>>{{most, 2},
                                          {2, most},
                                          {Size{1} << 32, Size{1} << 32},
                                          {most / 16 + 2, 16},
                                          {most, most}}) {
    const auto call = [&](Fault& fault) { EXPECT_EQ(heap->calloc(count, size, fault), 0U); };
    EXPECT_EQ(heap.refused(call).kind, FaultKind::out_of_memory);
  }
  EXPECT_EQ(heap.info(heap.calloc(0, most)).size, reported(0));
  EXPECT_EQ(heap.info(heap.calloc(most, 0)).size, reported(0));
}

// --- zero_on_free. -----------------------------------------------------------------------------

TEST_P(HeapContract, ZeroOnFreeLeavesNothingOfAPayload) {
  Options zeroing = options();
  zeroing.zero_on_free = true;
  HeapFixture heap(zeroing);
  std::vector<Address> payloads;
  for (const Size size : {100U, 1U, 700U, 16U}) {
    payloads.push_back(heap.malloc(size));
    std::memset(heap.at(payloads.back()), 0xEE, size);
  }
  payloads[1] = heap.realloc(payloads[1], 300);
  payloads[2] = heap.realloc(payloads[2], 30);
  for (const std::size_t i : {1U, 0U, 3U, 2U}) heap.free(payloads[i]);
  for (const BlockInfo& block : heap.walk()) {
    for (Size i = 16; i < block.extent; ++i)
      ASSERT_EQ(heap.at(block.start)[i], std::byte{0}) << block.start + i - heap->base();
  }
  expect_all_free(heap);
}

TEST_P(HeapContract, ContainsExactlyTheLivePayloads) {
  HeapFixture heap(options(320));
  const Address a = heap.malloc(16);
  const Address b = heap.malloc(0);
  const Address c = heap.malloc(20);
  heap.free(b);
  for (Address at = heap->base() - 40; at < heap->base() + 360; ++at)
    EXPECT_EQ(heap.contains(at), at == a || at == c) << at - heap->base();
  EXPECT_FALSE(heap.contains(0));
}

}  // namespace
}  // namespace glassheap
