// malloc_many and free_many: if served, the same as single calls; if refused, the same as no call.
// The model has which fault a batch has, and for most policies at which index.

#include <gtest/gtest.h>

#include <random>

#include "every_policy.hpp"
#include "limits.hpp"

namespace glassheap {
namespace {

class Batch : public EveryPolicy {
 protected:
  // A heap with holes of several sizes, at the same addresses each time.
  struct Perforated : CheckedHeap {
    explicit Perforated(const Options& options) : CheckedHeap(based(options, 16)) {
      std::vector<Address> payloads;
      for (Size i = 0; i < 24; ++i) payloads.push_back(malloc(i * 11 % 90));
      for (std::size_t i = 0; i < 24; i += 2) free(payloads[i]);
    }
    // Fills the free memory with bytes that a refused batch must restore too.
    void litter() {
      for (const BlockInfo& block : view().blocks)
        if (!block.live) std::memset(at(block.start) + 16, 0xAB, block.extent - 16);
    }
  };
};
GLASSHEAP_FOR_EVERY(Batch);

class RefusedBatch : public Batch {};
GLASSHEAP_FOR_EVERY(RefusedBatch);
INSTANTIATE_TEST_SUITE_P(SequentialFit, RefusedBatch,
                         ::testing::ValuesIn(sequential_fit_variants()), by_name);

class LargeBatch : public Batch {};
GLASSHEAP_FOR_EVERY(LargeBatch, coalesces_fully);

// Served whole or not at all, wherever in the batch the impossible request is.
TEST_P(RefusedBatch, NamesTheRequestThatDoesNotFit) {
  Perforated heap(options());
  for (std::size_t at = 0; at < 12; ++at) {
    std::vector<Size> sizes(12, 20);
    sizes[at] = 4096;
    heap.malloc_many(sizes);
    EXPECT_EQ(heap.fault().kind, FaultKind::out_of_memory);
    EXPECT_EQ(heap.fault().index, at);
  }
}

// Random batches are served whole, as single calls are, or change nothing, not even a byte of free
// memory; and later calls have the same results as in a control heap without batches. In a region
// of this size a batch of sixty blocks fits only sometimes.
TEST_P(RefusedBatch, IsLikeNoCallAndAServedOneLikeSingleCalls) {
  int refused = 0;
  for (unsigned seed = 0; seed < static_cast<unsigned>(scaled(60, 10)); ++seed) {
    std::mt19937 random(seed);
    Options wanted = options(splits_anywhere(options()) ? 2048 : 4096);
    wanted.zero_on_free = seed % 4 == 1;
    Perforated heap(wanted);
    Perforated control(wanted);
    if (seed % 2 == 1) heap.litter();
    for (int step = 0; step < 12; ++step) {
      std::vector<Size> sizes(random() % 60);
      for (Size& size : sizes) size = random() % 80;
      const std::vector<Address> addresses = heap.malloc_many(sizes);
      refused += heap.fault() ? 1 : 0;
      for (std::size_t i = 0; i < addresses.size(); ++i)
        ASSERT_EQ(control.malloc(sizes[i]), addresses[i]) << seed;
      heap.free_many(addresses);
      for (const Address payload : addresses) control.free(payload);
      const Size size = random() % 100;
      ASSERT_EQ(heap.malloc(size), control.malloc(size)) << seed;
      ASSERT_EQ(heap.view().free_list, control.view().free_list) << seed;
    }
    heap.inspect();
  }
  EXPECT_GT(refused, 20);
}

// With one wrong address, of any kind and at any position in the batch, no block is freed.
TEST_P(Batch, WithOneWrongAddressFreesNothing) {
  CheckedHeap heap(options());
  const std::vector<Address> good = heap.malloc_many({10, 20, 30, 40});
  const Address freed = heap.malloc(50);
  heap.free(freed);
  for (const Address wrong : {freed, good[2], good[2] + 16, good[2] + 1, heap->base() - 16}) {
    for (std::size_t at = 0; at <= good.size(); ++at) {
      std::vector<Address> addresses = good;
      addresses.insert(addresses.begin() + static_cast<std::ptrdiff_t>(at), wrong);
      heap.free_many(addresses);
      EXPECT_TRUE(heap.fault());
      EXPECT_EQ(heap.fault().address, wrong);
      EXPECT_EQ(heap.fault().index, wrong == good[2] && at < 3 ? 3 : at);  // twice in the batch
    }
  }
}

// Damage that one free of the batch would meet is found before any block is freed.
TEST_P(Batch, ThatMeetsDamageFreesNothing) {
  if (!has_headers(options())) return;
  CheckedHeap heap(options());
  const std::vector<Address> good = heap.malloc_many({10, 20, 30, 40});
  heap.write(good[3] - 8, std::array{std::byte{1}});
  heap.free_many(good);
  EXPECT_EQ(heap.fault().kind, FaultKind::bad_magic);
  EXPECT_EQ(heap.fault().offset, good[3] - 16 - heap->base());
  EXPECT_EQ(heap.fault().index, 3U);
}

TEST_P(LargeBatch, OfAMillionBlocksIsAllocatedAndFreed) {
  const CheckedHeap heap(options(Size{64} << 20));
  const auto fresh = heap.view().free_list;
  std::vector<Size> sizes(1000000);
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = i % 33;
  std::vector<Address> payloads(sizes.size());
  Fault fault;
  EXPECT_TRUE(heap->malloc_many(sizes, payloads, fault)) << sentence(fault);
  EXPECT_TRUE(heap->free_many(payloads, fault)) << sentence(fault);
  EXPECT_EQ(heap.view().free_list, fresh);
  EXPECT_TRUE(heap->check(fault).empty());
}

}  // namespace
}  // namespace glassheap
