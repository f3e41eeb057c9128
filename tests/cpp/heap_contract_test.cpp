// What every heap does, whatever its policy: sizes, splitting, coalescing, calloc. The bytes, the
// walk, the free list and the counters are looked at, never the policy's insides.

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include "rig.hpp"

namespace glassheap {
namespace {

constexpr Size most = std::numeric_limits<Size>::max();

class HeapContract : public EveryPolicy {
 protected:
  // What the walk offers in all, block by block.
  static Shortage offered(Rig& rig) {
    Shortage sum;
    for (const BlockInfo& block : rig.walk()) {
      if (block.live) continue;
      sum.available += block.size;
      sum.largest = std::max(sum.largest, block.size);
      ++sum.free_blocks;
    }
    return sum;
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, HeapContract, ::testing::ValuesIn(variants()), by_name);

// Where there are headers.
class HeaderContract : public HeapContract {};
INSTANTIATE_TEST_SUITE_P(Policies, HeaderContract, ::testing::ValuesIn(variants(has_headers)),
                         by_name);

// Where blocks are as long as their sizes ask for, and are cut without a loss.
class CuttingContract : public HeapContract {};
INSTANTIATE_TEST_SUITE_P(Policies, CuttingContract, ::testing::ValuesIn(variants(cuts_anywhere)),
                         by_name);

// Where blocks that touch are joined at once; and where they are sooner or later.
class JoiningContract : public HeapContract {};
INSTANTIATE_TEST_SUITE_P(Policies, JoiningContract, ::testing::ValuesIn(variants(joins_neighbours)),
                         by_name);
class ReturningContract : public HeapContract {};
INSTANTIATE_TEST_SUITE_P(Policies, ReturningContract, ::testing::ValuesIn(variants(joins_back)),
                         by_name);

// --- What malloc gives. ------------------------------------------------------------------------

TEST_P(HeapContract, EachSizeIsKeptAndTakesTheExtentOfItsLayout) {
  for (Size size = 0; size <= 300; ++size) {
    Rig rig(options());
    const Address payload = rig.malloc(size);
    const BlockInfo block = rig.info(payload);
    EXPECT_TRUE(block.live);
    EXPECT_EQ(block.size, shown(size));
    EXPECT_EQ(block.extent, extent(size));
    EXPECT_EQ(block.address, block.start + front());
    EXPECT_EQ(rig.granted([&](Fault& f) { return rig->usable_size(payload, f); }),
              block.extent - front());
  }
}

// The documented bytes: size, magic and serial at their places in front of the payload.
TEST_P(HeaderContract, TheHeaderStandsInFrontOfThePayload) {
  for (const std::uint32_t magic : {0xDEADBEEF, 0x0U, 0x12345678U}) {
    Options with_magic = options();
    with_magic.magic = magic;
    Rig rig(with_magic);
    for (std::uint16_t serial = 1; serial <= 5; ++serial) {
      header_t header;
      std::memcpy(&header, rig.at(rig.malloc(serial * 20U)) - 16, sizeof header);
      EXPECT_EQ(header.size, serial * 20U);
      EXPECT_EQ(header.magic, magic);
      EXPECT_EQ(header.serial, serial);
    }
  }
}

TEST_P(HeapContract, SplittingLeavesTheRestOnOffer) {
  Rig rig(options(4096));
  EXPECT_EQ(rig.granted([&](Fault& f) { return rig->available_memory(f); }), 4096 - front());
  rig.malloc(100);
  const auto list = rig.free_list();
  Size offered = 0;
  for (const FreeBlock& block : list) offered += block.size;
  EXPECT_EQ(offered, 4096 - extent(100) - list.size() * front());
  EXPECT_EQ(rig.granted([&](Fault& f) { return rig->available_memory(f); }), offered);
}

TEST_P(CuttingContract, SplittingLeavesOneBlock) {
  Rig rig(options(4096));
  rig.malloc(100);
  const Size rest = 3952 + 2 * (16 - front());
  EXPECT_EQ(rig.free_list(), (std::vector<FreeBlock>{{rig->base() + extent(100), rest}}));
  EXPECT_EQ(rig.granted([&](Fault& f) { return rig->free_list_line(f); }),
            "Free(" + std::to_string(rest) + ")");
}

// A remainder of one granule is a block of its own, with nothing to offer: no tail is absorbed.
TEST_P(CuttingContract, ARemainderOfOneGranuleStaysABlock) {
  Rig rig(options(160));
  const Address payload = rig.malloc(144 - front());
  EXPECT_EQ(rig.info(payload).extent, 144U);
  EXPECT_EQ(rig.free_list(), (std::vector<FreeBlock>{{rig->base() + 144, 16 - front()}}));
  rig.malloc(0);
  EXPECT_TRUE(rig.free_list().empty());
  EXPECT_EQ(rig.granted([&](Fault& f) { return rig->free_list_line(f); }), "(none)");
}

TEST_P(HeapContract, MallocOfZeroGivesADistinctBlockEachTime) {
  Rig rig(options(160));
  std::set<Address> payloads;
  for (int i = 0; i < 10; ++i) payloads.insert(rig.malloc(0));
  EXPECT_EQ(payloads.size(), 10U);
  EXPECT_FALSE(payloads.contains(0));
  EXPECT_EQ(rig.refused_malloc(0).kind, FaultKind::out_of_memory);
  for (const Address payload : payloads) rig.free(payload);
  expect_all_free(rig);
}

// Every byte of every payload may be written: no two blocks share one, and no header is hit.
TEST_P(HeapContract, PayloadsAreWholeAndDisjoint) {
  Rig rig(options(8192));
  std::vector<std::pair<Address, Size>> blocks;
  for (Size size = 0; size < 60; ++size) blocks.emplace_back(rig.malloc(size), size);
  for (const auto& [payload, size] : blocks)
    std::memset(rig.at(payload), static_cast<int>(size), size);
  for (const auto& [payload, size] : blocks) {
    for (Size i = 0; i < size; ++i) ASSERT_EQ(rig.at(payload)[i], static_cast<std::byte>(size));
  }
  EXPECT_TRUE(rig.check().empty());
}

TEST_P(HeaderContract, SerialsCountTheAllocationsAndWrap) {
  Rig rig(options());
  for (std::uint32_t i = 1; i <= 70000; ++i) {
    const Address payload = rig.malloc(0);
    ASSERT_EQ(rig.info(payload).serial, i % 65536);
    rig.free(payload);
  }
}

// --- What is out of reach. ---------------------------------------------------------------------

// No arithmetic on a size may wrap into a small one.
TEST_P(HeapContract, NoImpossibleSizeIsServed) {
  Rig rig(options());
  std::vector<Size> sizes = {4097 - front(), 4097, 100000, largest_region, largest_region + 1};
  for (const Size around : {Size{1} << 31, Size{1} << 32, Size{1} << 36, Size{1} << 63, Size{0}}) {
    for (Size k = 1; k <= 40; ++k) sizes.insert(sizes.end(), {around - k, around + (k << 12) + 1});
  }
  sizes.push_back(Size{1} << 63);
  for (const Size size : sizes) {
    const Fault fault = rig.refused_malloc(size);
    EXPECT_EQ(fault.kind, FaultKind::out_of_memory) << size;
    EXPECT_EQ(fault.shortage.requested, size);
  }
  EXPECT_EQ(rig.stats().failures, sizes.size());
}

TEST_P(HeapContract, AShortageSaysWhatThereIs) {
  Rig rig(options(4096));
  std::vector<Address> payloads;
  for (int i = 0; i < 16; ++i) payloads.push_back(rig.malloc(240));
  for (std::size_t i = 0; i < 16; i += 4) rig.free(payloads[i]);
  rig.free(payloads[1]);
  const Fault fault = rig.refused_malloc(1000);
  EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
  const Shortage there = offered(rig);
  EXPECT_EQ(fault.shortage.available, there.available);
  EXPECT_EQ(fault.shortage.free_blocks, there.free_blocks);
  EXPECT_EQ(fault.shortage.largest, there.largest);
}

// OutOfMemory if and only if nothing fits: in any state, largest_free() bytes are served, and one
// granule more is not.
TEST_P(HeapContract, ServesItsLargestFreeBlockAndNotAByteMore) {
  Rig rig(options(4096));
  std::mt19937 random(6);
  std::vector<Address> live;
  for (int step = 0; step < 500; ++step) {
    Fault fault;
    if (const Address payload = rig->malloc(random() % 300, 16, fault)) live.push_back(payload);
    if (random() % 2 == 0 && !live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      rig.free(live.back());
      live.pop_back();
    }
    if (rig.free_list().empty()) continue;
    const Size largest = rig.granted([&](Fault& f) { return rig->largest_free(f); });
    EXPECT_EQ(rig.refused_malloc(largest + 1).kind, FaultKind::out_of_memory);
    rig.free(rig.malloc(largest));
  }
}

// --- Coalescing. -------------------------------------------------------------------------------

// Six blocks, freed in each of the 720 orders: the bytes, the walk, the list are as in a fresh
// heap.
TEST_P(ReturningContract, FreeingInAnyOrderGivesBackTheFirstState) {
  std::vector<std::size_t> order(6);
  std::iota(order.begin(), order.end(), 0U);
  Rig rig(options(400));
  const std::vector<std::byte> first(rig.region(), rig.region() + rig->size());
  const auto walk = rig.walk();
  do {
    std::vector<Address> payloads;
    for (const Size size : {16U, 0U, 48U, 7U, 32U, 64U}) payloads.push_back(rig.malloc(size));
    for (const std::size_t i : order) {
      rig.free(payloads[i]);
      ASSERT_TRUE(rig.check().empty());
    }
    ASSERT_EQ(rig.walk(), walk);
    ASSERT_EQ(rig.free_list(), rig.first_list());
    ASSERT_TRUE(std::equal(first.begin(), first.end(), rig.region()));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(JoiningContract, NoTwoFreeBlocksAreNeighboursOnTheWay) {
  std::vector<std::size_t> order(5);
  std::iota(order.begin(), order.end(), 0U);
  Rig rig(options(320));
  do {
    std::vector<Address> payloads;
    for (int i = 0; i < 5; ++i) payloads.push_back(rig.malloc(32));
    for (const std::size_t i : order) {
      rig.free(payloads[i]);
      bool after_free = false;
      for (const BlockInfo& block : rig.walk()) {
        ASSERT_FALSE(after_free && !block.live) << block.start;
        after_free = !block.live;
      }
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(HeapContract, FreeOfNullDoesNothing) {
  Rig rig(options());
  rig.malloc(16);
  const Snapshot before(*rig);
  rig.free(0);
  EXPECT_EQ(Snapshot(*rig), before);
}

// --- calloc. -----------------------------------------------------------------------------------

TEST_P(HeapContract, CallocIsZeroAlsoInMemoryThatWasUsed) {
  Rig rig(options());
  const Address dirty = rig.malloc(4000);
  std::memset(rig.at(dirty), 0xFF, 4000);
  rig.free(dirty);
  const Address payload = rig.calloc(31, 33);
  EXPECT_EQ(rig.info(payload).size, shown(31 * 33));
  for (Size i = 0; i < 31 * 33; ++i) ASSERT_EQ(rig.at(payload)[i], std::byte{0}) << i;
}

TEST_P(HeapContract, CallocNeverWraps) {
  Rig rig(options());
  for (const auto& [count, size] :
       std::vector<std::pair<Size, Size>>{{most, 2},
                                          {2, most},
                                          {Size{1} << 32, Size{1} << 32},
                                          {most / 16 + 2, 16},
                                          {most, most}}) {
    const auto call = [&](Fault& fault) { EXPECT_EQ(rig->calloc(count, size, fault), 0U); };
    EXPECT_EQ(rig.refused(call).kind, FaultKind::out_of_memory);
  }
  EXPECT_EQ(rig.info(rig.calloc(0, most)).size, shown(0));
  EXPECT_EQ(rig.info(rig.calloc(most, 0)).size, shown(0));
}

// --- zero_on_free. -----------------------------------------------------------------------------

TEST_P(HeapContract, ZeroOnFreeLeavesNothingOfAPayload) {
  Options zeroing = options();
  zeroing.zero_on_free = true;
  Rig rig(zeroing);
  std::vector<Address> payloads;
  for (const Size size : {100U, 1U, 700U, 16U}) {
    payloads.push_back(rig.malloc(size));
    std::memset(rig.at(payloads.back()), 0xEE, size);
  }
  payloads[1] = rig.realloc(payloads[1], 300);
  payloads[2] = rig.realloc(payloads[2], 30);
  for (const std::size_t i : {1U, 0U, 3U, 2U}) rig.free(payloads[i]);
  for (const BlockInfo& block : rig.walk()) {
    for (Size i = 16; i < block.extent; ++i)
      ASSERT_EQ(rig.at(block.start)[i], std::byte{0}) << block.start + i - rig->base();
  }
  expect_all_free(rig);
}

TEST_P(HeapContract, ContainsExactlyTheLivePayloads) {
  Rig rig(options(320));
  const Address a = rig.malloc(16);
  const Address b = rig.malloc(0);
  const Address c = rig.malloc(20);
  rig.free(b);
  for (Address at = rig->base() - 40; at < rig->base() + 360; ++at)
    EXPECT_EQ(rig.contains(at), at == a || at == c) << at - rig->base();
  EXPECT_FALSE(rig.contains(0));
}

}  // namespace
}  // namespace glassheap
