// reset() and old contents: reset() restores the fresh heap, and no new payload ever shows the
// heap's own data: a link, a seal or the magic number of an earlier block.

#include <gtest/gtest.h>

#include <random>

#include "heap_fixture.hpp"

namespace glassheap {
namespace {

class Reset : public EveryPolicy {
 protected:
  static void fragment(HeapFixture& heap) {
    std::vector<Address> payloads;
    for (Size size = 0; size < 20; ++size) payloads.push_back(heap.malloc(size * 7));
    for (std::size_t i = 0; i < 20; i += 3) heap.free(payloads[i]);
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Reset, ::testing::ValuesIn(variants()), by_name);

TEST_P(Reset, RestoresTheFirstState) {
  HeapFixture heap(options());
  const std::vector<std::byte> first(heap.region(), heap.region() + heap->size());
  const auto walk = heap.walk();
  fragment(heap);
  heap.reset();
  EXPECT_EQ(heap.walk(), walk);
  EXPECT_EQ(heap.free_list(), (std::vector<FreeBlock>{{heap->base(), 4096 - front()}}));
  EXPECT_TRUE(std::equal(first.begin(), first.end(), heap.region()))
      << "A header or node was not scrubbed.";
  EXPECT_TRUE(heap.check().empty());
}

TEST_P(Reset, ClearsTheBlocksAndTheSums) {
  HeapFixture heap(options());
  fragment(heap);
  heap.reset();
  const Stats stats = heap.stats();
  EXPECT_EQ(stats.live_blocks, 0U);
  EXPECT_EQ(stats.requested, 0U);
  EXPECT_EQ(stats.used, 0U);
  EXPECT_EQ(stats.overhead, 0U);
  EXPECT_EQ(stats.available, 4096 - front());
}

TEST_P(Reset, RefusesOldAddressesUntilTheyAreHandedOutAgain) {
  HeapFixture heap(options());
  const Address a = heap.malloc(32);
  const Address b = heap.malloc(32);
  heap.reset();
  EXPECT_EQ(heap.refused_free(a).kind, FaultKind::double_free);
  EXPECT_EQ(heap.refused_free(b).kind, FaultKind::double_free);
  EXPECT_EQ(heap.malloc(32), a);
  heap.free(a);
}

TEST_P(Reset, RepairsADamagedHeap) {
  HeapFixture heap(options());
  fragment(heap);
  std::memset(heap.region(), 0xFF, heap->size());
  EXPECT_FALSE(heap.check().empty());
  heap.reset();
  EXPECT_TRUE(heap.check().empty());
  EXPECT_EQ(heap.free_list(), (std::vector<FreeBlock>{{heap->base(), 4096 - front()}}));
  heap.free(heap.malloc(4096 - front()));
}

// --- Old contents. -----------------------------------------------------------------------------

// If no payload is ever written to, the only non-zero bytes are the heap's own. So a new payload
// must be all zeros, after any history.
class OldContents : public EveryPolicy {
 protected:
  // Allocates all free memory and expects nothing but zeros. The largest free block is allocated
  // first, so that each free block is still whole when its turn comes.
  static void expect_zeroed(HeapFixture& heap) {
    while (!heap.free_list().empty()) {
      const Size size = heap.stats().largest_free;
      const Address payload = heap.malloc(size);
      for (Size i = 0; i < size; ++i) ASSERT_EQ(heap.at(payload)[i], std::byte{0}) << i;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, OldContents, ::testing::ValuesIn(variants()), by_name);

TEST_P(OldContents, AreGoneFromANewPayloadAfterAnyHistory) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    HeapFixture heap(options(1024));
    std::vector<Address> live;
    for (int step = 0; step < 60; ++step) {
      Fault fault;
      const std::size_t i = live.empty() ? 0 : random() % live.size();
      switch (live.empty() ? 0 : random() % 4) {
        case 0:
          live.push_back(heap->malloc(random() % 100, Size{16} << random() % 5, fault));
          break;
        case 1:
          if (const Address moved = heap->realloc(live[i], random() % 200, 16, fault))
            live[i] = moved;
          break;
        default:
          heap.free(live[i]);
          live.erase(live.begin() + static_cast<std::ptrdiff_t>(i));
      }
      if (!live.empty() && live.back() == 0) live.pop_back();
    }
    ASSERT_NO_FATAL_FAILURE(expect_zeroed(heap)) << "seed " << seed;
  }
}

TEST_P(OldContents, AreGoneAfterReset) {
  HeapFixture heap(options(1024));
  for (Size size = 0; size < 10; ++size) heap.malloc(size * 5);
  heap.reset();
  expect_zeroed(heap);
}

TEST_P(OldContents, AreGoneAfterABatchThatWasRefused) {
  HeapFixture heap(options(1024));
  const std::vector<Size> sizes = {16, 48, 0, 32, 5000};
  std::vector<Address> addresses(sizes.size());
  EXPECT_FALSE(heap.refused([&](Fault& f) { heap->malloc_many(sizes, addresses, f); }).kind ==
               FaultKind::none);
  expect_zeroed(heap);
}

// A block that grows takes in the node of its neighbour: the new bytes must not show it.
TEST_P(OldContents, AreGoneFromTheBytesThatABlockGrewInto) {
  HeapFixture heap(options(1024));
  const Address payload = heap.realloc(heap.malloc(20), 400);
  for (Size i = 20; i < 400; ++i) ASSERT_EQ(heap.at(payload)[i], std::byte{0}) << i;
}

}  // namespace
}  // namespace glassheap
