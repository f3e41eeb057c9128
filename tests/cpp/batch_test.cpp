// malloc_many and free_many: if served, the same as single calls; if refused, the same as no call.
// The model has which fault a batch has, and for most policies at which index.

#include <gtest/gtest.h>

#include <random>

#include "base/radix_sort.hpp"
#include "every_policy.hpp"
#include "glassheap/layout.h"
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

// By single calls, in the order of free_many.
template <typename SomeHeap>
void free_highest_first(SomeHeap& heap, std::vector<Address> payloads) {
  std::ranges::sort(payloads, std::greater());
  for (const Address payload : payloads) heap.free(payload);
}

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
      free_highest_first(control, addresses);
      const Size size = random() % 100;
      ASSERT_EQ(heap.malloc(size), control.malloc(size)) << seed;
      ASSERT_EQ(heap.view().free_list, control.view().free_list) << seed;
    }
    heap.inspect();
  }
  EXPECT_GT(refused, 20);
}

// The region's bytes without the seals, which have another key in each heap.
[[nodiscard]] std::vector<std::byte> unsealed(const CheckedHeap& heap) {
  const HeapView view = heap.view();
  std::vector<std::byte> bytes(view.bytes.begin(), view.bytes.end());
  for (const BlockInfo& block : view.blocks) {
    if (!block.live || !has_headers(heap->options())) continue;
    const std::size_t seal = block.start - heap->base() + offsetof(header_t, seal);
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(seal), sizeof header_t::seal,
                std::byte{0});
  }
  return bytes;
}

void expect_same(const CheckedHeap& heap, const CheckedHeap& control) {
  const HeapView view = heap.view();
  const HeapView other = control.view();
  EXPECT_EQ(view.blocks, other.blocks);
  EXPECT_EQ(view.free_list, other.free_list);
  EXPECT_EQ(unsealed(heap), unsealed(control));
  EXPECT_EQ(view.stats.peak_requested, other.stats.peak_requested);
  EXPECT_EQ(view.stats.peak_used, other.stats.peak_used);
  EXPECT_EQ(view.stats.requested, other.stats.requested);
  EXPECT_EQ(view.stats.available, other.stats.available);
  EXPECT_EQ(view.stats.mallocs, other.stats.mallocs);
  EXPECT_EQ(view.stats.frees, other.stats.frees);
}

// A batch that is allocated in one heap, and its requests one by one in another one.
struct Lockstep {
  explicit Lockstep(const Options& options) : heap(options), control(options) {
    for (CheckedHeap* const each : {&heap, &control}) litter(*each);
  }
  // Returns true if the batch was served, and as the control heap serves single calls.
  bool malloc_many(const std::vector<Size>& sizes) {
    addresses = heap.malloc_many(sizes);
    std::vector<Address> singles;
    for (const Size size : sizes) singles.push_back(control.malloc(size));
    if (std::ranges::count(singles, Address{0}) != 0) singles.clear();
    EXPECT_EQ(addresses, singles);
    return !addresses.empty();
  }
  // Leaves one free block, with bytes that are not zero.
  static void litter(CheckedHeap& heap) {
    const Address payload = heap.malloc(900);
    std::memset(heap.at(payload), 0xAB, 900);
    heap.free(payload);
    heap.malloc(100);
  }

  CheckedHeap heap;
  CheckedHeap control;
  std::vector<Address> addresses;
};

// Where one free block is left, a batch is cut off it in one go: up to the last granule, and with
// the bytes that single calls leave.
TEST_P(Batch, FromASingleFreeBlockIsLikeSingleCalls) {
  for (const Size beyond : {Size{0}, Size{1}, Size{5000}}) {
    Lockstep both(based(options(2048), 16));
    std::vector<Size> sizes{0, 1, 100, 0, 255, 64, 0};
    Size room = both.heap.view().stats.largest_free;
    for (const Size size : sizes) room -= std::min(room, extent(size));
    sizes.push_back(room + beyond);
    if (!both.malloc_many(sizes)) continue;
    expect_same(both.heap, both.control);
    both.heap.inspect();
  }
}

// The same with room left, where next fit goes on behind the batch.
TEST_P(Batch, FromASingleFreeBlockLeavesTheRestToLaterCalls) {
  Lockstep both(based(options(), 16));
  ASSERT_TRUE(both.malloc_many({40, 0, 100, 64}));
  for (CheckedHeap* const each : {&both.heap, &both.control}) each->free(both.addresses[2]);
  EXPECT_EQ(both.heap.malloc(10), both.control.malloc(10));
  expect_same(both.heap, both.control);
}

// Blocks are freed from the highest address down, and those that touch together: in any order of the
// batch, beside free blocks or not, with empty ones among them.
TEST_P(Batch, OfAnyBlocksIsFreedAsBySingleCalls) {
  for (unsigned seed = 0; seed < static_cast<unsigned>(scaled(60, 5)); ++seed) {
    std::mt19937 random(seed);
    const std::vector<Size> sizes{40, 0, 0, 100, 16, 17, 0, 8, 33, 0, 64, 1, 0, 0, 90, 5};
    CheckedHeap heap(based(options(), 16));
    CheckedHeap control(based(options(), 16));
    std::vector<Address> payloads = heap.malloc_many(sizes);
    ASSERT_EQ(control.malloc_many(sizes), payloads);
    std::ranges::shuffle(payloads, random);
    const std::size_t most = random() % (payloads.size() + 1);
    for (std::size_t alone = random() % 3; alone != 0; --alone, payloads.pop_back()) {
      heap.free(payloads.back());
      control.free(payloads.back());
    }
    payloads.resize(std::min(most, payloads.size()));
    if (seed % 3 != 0) std::ranges::sort(payloads);
    heap.free_many(payloads);
    free_highest_first(control, payloads);
    expect_same(heap, control);
    heap.inspect();
  }
}

// More blocks than a comparison sort is used for, in random order.
TEST_P(LargeBatch, InRandomOrderIsFreed) {
  const CheckedHeap heap(options(Size{1} << 20));
  const auto fresh = heap.view().free_list;
  std::vector<Size> sizes(4000);
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = i % 100;
  std::vector<Address> payloads(sizes.size());
  Fault fault;
  ASSERT_TRUE(heap->malloc_many(sizes, payloads, fault)) << sentence(fault);
  std::ranges::shuffle(payloads, std::mt19937(1));
  std::vector<Address> twice = payloads;
  twice.back() = twice.front();
  EXPECT_FALSE(heap->free_many(twice, fault));
  EXPECT_EQ(fault.kind, FaultKind::double_free);
  EXPECT_EQ(fault.index, twice.size() - 1);
  fault = {};
  EXPECT_TRUE(heap->free_many(payloads, fault)) << sentence(fault);
  EXPECT_EQ(heap.view().free_list, fresh);
  EXPECT_TRUE(heap->check(fault).empty());
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

// The same for the node of a free block that a batch would merge. Small blocks may merge later.
TEST_P(Batch, BesideADamagedNodeFreesNothing) {
  CheckedHeap heap(options(8192));
  const Size least = defers_coalescing(options()) ? 1024 : 0;
  const std::vector<Address> good = heap.malloc_many({10, 20 + least, 30 + least, 40});
  heap.free(good[1]);
  heap.write_number(good[1] - front(), Size{0x123456789});
  heap.free_many({good[2], good[0]});
  EXPECT_TRUE(heap.fault());
  EXPECT_EQ(heap.view().stats.live_blocks, 3U);
}

// Quick fit joins free blocks for the second request, and none serves the last.
TEST(DeferredBatch, TakesItsPassBackIfItIsRefused) {
  for (Variant variant : variants(defers_coalescing)) {
    for (const Checks checks : {Checks::robust, Checks::debug}) {
      variant.options.size = 2048;
      variant.options.checks = checks;
      CheckedHeap heap(variant.options);
      const std::vector<Address> all = heap.malloc_many({32, 32, 16, 64, 16, 48, 48, 16, 16});
      heap.malloc(heap.view().stats.largest_free);
      heap.free_many({all[0], all[1], all[3], all[5], all[6], all[7]});
      heap.malloc_many({64, 100, 10, 5000});
      EXPECT_EQ(heap.fault().kind, FaultKind::out_of_memory);
      EXPECT_EQ(heap.fault().index, 3U);
      heap.inspect();
      EXPECT_EQ(heap.malloc_many({64, 100, 10}).size(), 3U);
      heap.inspect();
    }
  }
}

TEST(RadixSort, SortsAsAComparisonSortDoes) {
  std::mt19937_64 random(1);
  for (const unsigned bits : {4U, 5U, 12U, 13U, 36U}) {
    for (const std::size_t count : {0, 1, 255, 256, 5000}) {
      std::vector<std::uint64_t> numbers(count);
      for (std::uint64_t& number : numbers)
        number = random() % (std::uint64_t{1} << bits) & ~std::uint64_t{15};
      std::vector<std::uint64_t> sorted = numbers;
      std::ranges::sort(sorted);
      const RadixSort result(numbers, 4, bits);
      EXPECT_TRUE(std::ranges::equal(result.numbers(), sorted))
          << count << " of " << bits << " bits";
    }
  }
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
