// malloc_many and free_many: if served, the same as single calls; if refused, the same as no call.
// The model has which fault a batch has, and for most policies at which index.

#include <gtest/gtest.h>

#include <random>

#include "drawing.hpp"
#include "heap_fixture.hpp"
#include "scale.hpp"

namespace glassheap {
namespace {

class Batch : public EveryPolicy {
 protected:
  // A heap with holes of several sizes, at the same addresses each time.
  struct Perforated : HeapFixture {
    explicit Perforated(Options options) : HeapFixture(with_base(std::move(options))) {
      std::vector<Address> payloads;
      for (Size i = 0; i < 24; ++i) payloads.push_back(malloc(i * 11 % 90));
      for (std::size_t i = 0; i < 24; i += 2) free(payloads[i]);
    }
    static Options with_base(Options options) {
      options.base = 16;
      return options;
    }
    // Fills the free memory with bytes that a refused batch must restore too.
    void litter() {
      for (const BlockInfo& block : walk())
        if (!block.live) std::memset(at(block.start) + 16, 0xAB, block.extent - 16);
    }
  };
  // The options of a region in which a batch of sixty blocks fits only sometimes.
  static Options tight() { return options(splits_anywhere(options()) ? 2048 : 4096); }
};
GLASSHEAP_FOR_EVERY(Batch);

class RefusedBatch : public Batch {};
GLASSHEAP_FOR_EVERY(RefusedBatch);
INSTANTIATE_TEST_SUITE_P(SequentialFit, RefusedBatch,
                         ::testing::ValuesIn(sequential_fit_variants()), by_name);

class BatchWithHeaders : public Batch {};
GLASSHEAP_FOR_EVERY(BatchWithHeaders, has_headers);

class LargeBatch : public Batch {};
GLASSHEAP_FOR_EVERY(LargeBatch, coalesces_fully);

// Served whole or not at all, wherever in the batch the impossible request is.
TEST_P(RefusedBatch, NamesTheRequestThatDoesNotFit) {
  Perforated heap(options());
  for (std::size_t at = 0; at < 12; ++at) {
    std::vector<Size> sizes(12, 20);
    sizes[at] = 4096;
    const Fault fault = heap.refused_malloc_many(sizes);
    EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
    EXPECT_EQ(fault.argument, 4096U);
    EXPECT_EQ(fault.index, at);
  }
}

// Random batches are served whole, as single calls are, or change nothing, not even a byte of free
// memory; and later calls have the same results as in a control heap without batches.
TEST_P(RefusedBatch, IsLikeNoCallAndAServedOneLikeSingleCalls) {
  int refused = 0;
  for (unsigned seed = 0; seed < static_cast<unsigned>(scaled(60, 10)); ++seed) {
    std::mt19937 random(seed);
    Options wanted = tight();
    wanted.zero_on_free = seed % 4 == 1;
    Perforated heap(wanted);
    Perforated control(wanted);
    if (seed % 2 == 1) heap.litter();
    for (int step = 0; step < 12; ++step) {
      std::vector<Size> sizes(random() % 60);
      for (Size& size : sizes) size = random() % 80;
      const HeapView before = heap.view();
      std::vector<Address> addresses(sizes.size());
      Fault fault;
      if (heap->malloc_many(sizes, addresses, fault)) {
        for (std::size_t i = 0; i < sizes.size(); ++i)
          EXPECT_EQ(control.malloc(sizes[i]), addresses[i]);
        heap.free_many(addresses);
        for (const Address payload : addresses) control.free(payload);
      } else {
        ASSERT_EQ(heap.view(), before) << seed;
        ++refused;
      }
      const Size size = random() % 100;
      ASSERT_EQ(heap->malloc(size, 16, fault), control->malloc(size, 16, fault)) << seed;
      const HeapView now = heap.view();
      const HeapView wanted_now = control.view();
      ASSERT_EQ(now.blocks, wanted_now.blocks) << seed;
      ASSERT_EQ(now.free_list, wanted_now.free_list) << seed;
      ASSERT_EQ(now.stats.peak_used, wanted_now.stats.peak_used) << seed;
    }
    EXPECT_TRUE(heap.check().empty());
  }
  EXPECT_GT(refused, 20);
}

// With one wrong address, of any kind and at any position in the batch, no block is freed.
TEST_P(Batch, WithOneWrongAddressFreesNothing) {
  HeapFixture heap(options());
  const std::vector<Address> good = heap.malloc_many({10, 20, 30, 40});
  const Address freed = heap.malloc(50);
  heap.free(freed);
  const std::vector<std::pair<Address, FaultKind>> cases = {
      {freed, FaultKind::double_free},
      {good[2], FaultKind::double_free},  // twice in the batch
      {good[2] + 16, FaultKind::interior_pointer},
      {good[2] + 1, FaultKind::misaligned_pointer},
      {heap->base() - 16, FaultKind::foreign_pointer},
  };
  for (const auto& [wrong, kind] : cases) {
    for (std::size_t at = 0; at <= good.size(); ++at) {
      std::vector<Address> addresses = good;
      addresses.insert(addresses.begin() + static_cast<std::ptrdiff_t>(at), wrong);
      const Fault fault = heap.refused_free_many(addresses);
      EXPECT_EQ(fault.kind, kind);
      EXPECT_EQ(fault.address, wrong);
      EXPECT_EQ(fault.index, wrong == good[2] && at < 3 ? 3 : at);
    }
  }
  heap.free_many(good);
}

// Damage that one free of the batch would meet is found before any block is freed.
TEST_P(BatchWithHeaders, ThatMeetsDamageFreesNothing) {
  HeapFixture heap(options());
  const std::vector<Address> good = heap.malloc_many({10, 20, 30, 40});
  heap.at(good[3])[-8] ^= std::byte{1};
  const Fault fault = heap.refused_free_many(good);
  EXPECT_EQ(fault.kind, FaultKind::bad_magic);
  EXPECT_EQ(fault.offset, good[3] - 16 - heap->base());
  EXPECT_EQ(fault.index, 3U);
}

TEST_P(LargeBatch, OfAMillionBlocksIsAllocatedAndFreed) {
  HeapFixture heap(options(Size{64} << 20));
  std::vector<Size> sizes(1000000);
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = i % 33;
  heap.free_many(heap.malloc_many(sizes));
  expect_all_free(heap);
}

}  // namespace
}  // namespace glassheap
