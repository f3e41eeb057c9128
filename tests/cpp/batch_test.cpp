// malloc_many and free_many: if served, the same as single calls; if refused, the same as no call.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "drawing.hpp"
#include "heap_fixture.hpp"
#include "scale.hpp"

namespace glassheap {
namespace {

class Batch : public EveryPolicy {
 protected:
  // The size of a region in which a batch of sixty blocks fits after perforate() only sometimes.
  static Size tight() { return splits_anywhere(options()) ? 2048 : 4096; }

  // Makes holes of several sizes.
  static void perforate(HeapFixture& heap) {
    std::vector<Address> payloads;
    for (Size i = 0; i < 24; ++i) payloads.push_back(heap.malloc(i * 11 % 90));
    for (std::size_t i = 0; i < 24; i += 2) heap.free(payloads[i]);
  }
  static std::vector<Address> malloc_many(HeapFixture& heap, const std::vector<Size>& sizes) {
    std::vector<Address> addresses(sizes.size());
    EXPECT_TRUE(heap.granted([&](Fault& f) { return heap->malloc_many(sizes, addresses, f); }));
    return addresses;
  }
  static void free_many(HeapFixture& heap, std::vector<Address> addresses) {
    EXPECT_TRUE(heap.granted([&](Fault& f) { return heap->free_many(addresses, f); }));
  }
  static Fault refused_malloc_many(HeapFixture& heap, const std::vector<Size>& sizes) {
    std::vector<Address> addresses(sizes.size());
    return heap.refused([&](Fault& f) { EXPECT_FALSE(heap->malloc_many(sizes, addresses, f)); });
  }
  static Fault refused_free_many(HeapFixture& heap, std::vector<Address> addresses) {
    return heap.refused([&](Fault& f) { EXPECT_FALSE(heap->free_many(addresses, f)); });
  }
  // Fills the free memory with bytes that a refused batch must restore too.
  static void litter(HeapFixture& heap) {
    for (const FreeBlock& hole : heap.free_list())
      std::memset(heap.at(hole.address) + 16, 0xAB, hole.size + front() - 16);
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Batch, ::testing::ValuesIn(variants()), by_name);

class RefusedBatch : public Batch {};
INSTANTIATE_TEST_SUITE_P(Policies, RefusedBatch, ::testing::ValuesIn(variants()), by_name);
INSTANTIATE_TEST_SUITE_P(SequentialFit, RefusedBatch,
                         ::testing::ValuesIn(sequential_fit_variants()), by_name);

class BatchShortage : public Batch {};
INSTANTIATE_TEST_SUITE_P(Policies, BatchShortage, ::testing::ValuesIn(variants()), by_name);
INSTANTIATE_TEST_SUITE_P(Debug, BatchShortage, ::testing::ValuesIn(debug_variants()), by_name);

class BatchWithHeaders : public Batch {};
INSTANTIATE_TEST_SUITE_P(Policies, BatchWithHeaders, ::testing::ValuesIn(variants(has_headers)),
                         by_name);

class LargeBatch : public Batch {};
INSTANTIATE_TEST_SUITE_P(Policies, LargeBatch, ::testing::ValuesIn(variants(coalesces_fully)),
                         by_name);

TEST_P(Batch, GivesTheAddressesThatSingleCallsGive) {
  Options counted_from_0 = options();
  counted_from_0.base = 0;
  HeapFixture one(counted_from_0);
  HeapFixture all(counted_from_0);
  perforate(one);
  perforate(all);
  const std::vector<Size> sizes = {40, 0, 100, 16, 16, 300, 5, 64, 1};
  std::vector<Address> singles;
  for (const Size size : sizes) singles.push_back(one.malloc(size));
  EXPECT_EQ(malloc_many(all, sizes), singles);
  EXPECT_EQ(all.walk(), one.walk());
  EXPECT_EQ(all.stats().mallocs, one.stats().mallocs);
  EXPECT_EQ(all.stats().peak_used, one.stats().peak_used);
}

TEST_P(Batch, OfNothingDoesNothing) {
  HeapFixture heap(options());
  const Snapshot before(*heap);
  EXPECT_TRUE(malloc_many(heap, {}).empty());
  free_many(heap, {});
  free_many(heap, {0, 0, 0});
  EXPECT_EQ(Snapshot(*heap), before);
}

// Served whole or not at all, wherever in the batch the impossible request is.
TEST_P(RefusedBatch, ChangesNothing) {
  HeapFixture heap(options());
  perforate(heap);
  for (std::size_t at = 0; at < 12; ++at) {
    std::vector<Size> sizes(12, 20);
    sizes[at] = 4096;
    const Fault fault = refused_malloc_many(heap, sizes);
    EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
    EXPECT_EQ(fault.argument, 4096U);
    EXPECT_EQ(fault.index, at);
  }
  EXPECT_EQ(heap.stats().failures, 12U);
}

// The fault describes the heap after the rollback: nothing of the batch is left in its numbers.
TEST_P(BatchShortage, ReportsTheHeapAfterTheRollback) {
  HeapFixture heap(options());
  perforate(heap);
  const Stats before = heap.stats();
  const std::vector<Size> hopeless = {8, 20, 5000};
  const std::vector<Size> crowded = {8, before.largest_free, before.largest_free};
  for (const std::vector<Size>& sizes : {hopeless, crowded}) {
    const Fault fault = refused_malloc_many(heap, sizes);
    EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
    EXPECT_EQ(fault.argument, sizes[fault.index]);
    EXPECT_EQ(fault.shortage.available, before.available);
    EXPECT_EQ(fault.shortage.largest, before.largest_free);
    EXPECT_EQ(fault.shortage.free_blocks, before.free_blocks);
    EXPECT_EQ(sentence(fault).find("of the batch") == std::string::npos, sizes == hopeless);
  }
}

// The serial of the next block is unchanged too, though no byte shows it before.
TEST_P(BatchWithHeaders, ThatDoesNotFitTakesNoSerials) {
  HeapFixture heap(options());
  heap.malloc(16);
  EXPECT_EQ(refused_malloc_many(heap, {10, 20, 30, 5000}).kind, FaultKind::out_of_memory);
  EXPECT_EQ(heap.info(heap.malloc(16)).serial, 2U);
}

TEST_P(RefusedBatch, RestoresFreeMemory) {
  HeapFixture heap(options());
  perforate(heap);
  litter(heap);
  EXPECT_EQ(refused_malloc_many(heap, {20, 0, 40, 16, 100, 500, 4000}).kind,
            FaultKind::out_of_memory);
  EXPECT_EQ(refused_malloc_many(heap, std::vector<Size>(1000, 0)).kind, FaultKind::out_of_memory);
  EXPECT_EQ(refused_malloc_many(heap, {10, ~Size{0}}).kind, FaultKind::out_of_memory);
}

TEST_P(RefusedBatch, RestoresFreeMemoryAlsoWithZeroOnFree) {
  Options zeroing = options();
  zeroing.zero_on_free = true;
  HeapFixture heap(zeroing);
  perforate(heap);
  litter(heap);
  EXPECT_EQ(refused_malloc_many(heap, {20, 0, 40, 16, 100, 500, 4000}).kind,
            FaultKind::out_of_memory);
}

// Later calls have the same results as in a control heap that never had the batch.
TEST_P(RefusedBatch, DoesNotAffectLaterCalls) {
  for (unsigned seed = 0; seed < static_cast<unsigned>(scaled(60, 10)); ++seed) {
    std::mt19937 random(seed);
    Options based = options(tight());
    based.base = 16;
    HeapFixture heap(based);
    HeapFixture control(based);
    perforate(heap);
    perforate(control);
    for (int step = 0; step < 30; ++step) {
      refused_malloc_many(heap,
                          {random() % 200, random() % 100, random() % 50, random() % 200, 5000});
      const Size size = random() % 100;
      Fault fault;
      ASSERT_EQ(heap->malloc(size, 16, fault), control->malloc(size, 16, fault)) << seed;
      ASSERT_EQ(heap.free_list(), control.free_list()) << seed;
    }
    EXPECT_TRUE(heap.check().empty());
  }
}

TEST_P(RefusedBatch, IsServedWholeOrChangesNothing) {
  int refused = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    HeapFixture heap(options(tight()));
    perforate(heap);
    if (seed % 2 == 0) litter(heap);
    std::vector<Size> sizes(random() % 60);
    for (Size& size : sizes) size = random() % 80;
    const Snapshot before(*heap);
    std::vector<Address> addresses(sizes.size());
    Fault fault;
    const bool served = heap->malloc_many(sizes, addresses, fault);
    ASSERT_TRUE(served || Snapshot(*heap) == before) << seed;
    ASSERT_TRUE(heap.check().empty()) << seed;
    refused += served ? 0 : 1;
  }
  EXPECT_GT(refused, 10);
  EXPECT_LT(refused, 190);
}

TEST_P(Batch, FreesInAnyOrderAndSkipsNull) {
  HeapFixture heap(options(65536));
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Address> addresses = malloc_many(heap, {10, 20, 0, 30, 40, 0, 50});
    addresses.insert(addresses.begin() + 3, 2, 0);
    std::shuffle(addresses.begin(), addresses.end(), random);
    free_many(heap, addresses);
    ASSERT_NO_FATAL_FAILURE(expect_all_free(heap));
  }
  EXPECT_EQ(heap.stats().frees, 350U);
}

// With one wrong address, of any kind and at any position in the batch, no block is freed.
TEST_P(Batch, WithOneWrongAddressFreesNothing) {
  HeapFixture heap(options());
  const std::vector<Address> good = malloc_many(heap, {10, 20, 30, 40});
  const Address freed = heap.malloc(50);
  heap.free(freed);
  const std::vector<std::pair<Address, FaultKind>> cases = {
      {freed, FaultKind::double_free},
      {good[2] + 16, FaultKind::interior_pointer},
      {good[2] + 1, FaultKind::misaligned_pointer},
      {heap->base() - 16, FaultKind::foreign_pointer},
  };
  for (const auto& [wrong, kind] : cases) {
    for (std::size_t at = 0; at <= good.size(); ++at) {
      std::vector<Address> addresses = good;
      addresses.insert(addresses.begin() + static_cast<std::ptrdiff_t>(at), wrong);
      const Fault fault = refused_free_many(heap, addresses);
      EXPECT_EQ(fault.kind, kind);
      EXPECT_EQ(fault.address, wrong);
      EXPECT_EQ(fault.index, at);
    }
  }
  free_many(heap, good);
}

TEST_P(Batch, ThatNamesABlockTwiceFreesNothing) {
  HeapFixture heap(options());
  const std::vector<Address> good = malloc_many(heap, {10, 20, 30, 40});
  for (const Address twice : good) {
    for (std::size_t at = 0; at <= good.size(); ++at) {
      std::vector<Address> addresses = good;
      addresses.insert(addresses.begin() + static_cast<std::ptrdiff_t>(at), twice);
      const Fault fault = refused_free_many(heap, addresses);
      EXPECT_EQ(fault.kind, FaultKind::double_free);
      EXPECT_EQ(fault.address, twice);
    }
  }
}

// Damage that one free of the batch would meet is found before any block is freed.
TEST_P(BatchWithHeaders, ThatMeetsDamageFreesNothing) {
  HeapFixture heap(options());
  const std::vector<Address> good = malloc_many(heap, {10, 20, 30, 40});
  heap.at(good[3])[-8] ^= std::byte{1};
  const Fault fault = refused_free_many(heap, good);
  EXPECT_EQ(fault.kind, FaultKind::bad_magic);
  EXPECT_EQ(fault.offset, good[3] - 16 - heap->base());
  EXPECT_EQ(fault.index, 3U);
  EXPECT_EQ(refused_free_many(heap, {good[0]}).kind, FaultKind::heap_damaged);
  EXPECT_EQ(refused_malloc_many(heap, {1}).kind, FaultKind::heap_damaged);
}

TEST_P(LargeBatch, OfAMillionBlocksIsAllocatedAndFreed) {
  HeapFixture heap(options(Size{64} << 20));
  std::vector<Size> sizes(1000000);
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = i % 33;
  free_many(heap, malloc_many(heap, sizes));
  expect_all_free(heap);
}

}  // namespace
}  // namespace glassheap
