// The contract of every heap, whatever its policy: the header of a block, the alignments that are
// served, the requests that are refused, and the bytes that freed blocks leave. The model
// (exhaustive_test.cpp, random_test.cpp) has the rest: sizes, splitting, coalescing and resizing.

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "every_policy.hpp"
#include "glassheap/layout.h"

namespace glassheap {
namespace {

constexpr Size most = ~Size{0};

class HeapContract : public EveryPolicy {};
GLASSHEAP_FOR_EVERY(HeapContract);

class HeaderContract : public EveryPolicy {};
GLASSHEAP_FOR_EVERY(HeaderContract, has_headers);

class FullCoalescingContract : public EveryPolicy {};
GLASSHEAP_FOR_EVERY(FullCoalescingContract, coalesces_fully);

// --- Headers. -----------------------------------------------------------------------------------

// The documented bytes: size, magic, serial and seal at their offsets in front of the payload.
static_assert(offsetof(header_t, size) == 0 && offsetof(header_t, magic) == 8 &&
              offsetof(header_t, serial) == 12 && offsetof(header_t, seal) == 14);
TEST_P(HeaderContract, TheHeaderIsInFrontOfThePayload) {
  for (const std::uint32_t magic : {0xDEADBEEF, 0x0U, 0x12345678U}) {
    Options with_magic = options();
    with_magic.magic = magic;
    CheckedHeap heap(with_magic);
    for (std::uint16_t serial = 1; serial <= 5; ++serial) {
      const auto header = heap.read<header_t>(heap.malloc(serial * 20U) - 16);
      EXPECT_EQ(header.size, serial * 20U);
      EXPECT_EQ(header.magic, magic);
      EXPECT_EQ(header.serial, serial);
    }
  }
}

TEST_P(HeaderContract, SerialsCountTheAllocationsAndWrap) {
  CheckedHeap heap(options(160));
  for (int i = 1; i <= 66000; ++i) {
    const Address payload = heap.malloc(0);
    if (i % 1000 == 0 || i > 65530) heap.inspect();
    heap.free(payload);
  }
}

// --- Alignment. ---------------------------------------------------------------------------------

// With base 0 addresses are offsets; with odd multiples of 16 the heap's addresses and the real
// ones differ most. A quarter of the region is a quarter of its size rounded up to a granule. The
// model has that both addresses are aligned.
TEST_P(HeapContract, ServesEveryAlignmentUpToAQuarterOfTheRegion) {
  constexpr std::optional<Address> bases[] = {
      std::nullopt, 0, 16, 48, 512, 0x12340, Address{1} << 40, (Address{1} << 40) + 4080};
  for (const std::optional<Address> base : bases) {
    for (const Size size : {64U, 113U, 255U, 256U, 4081U, 4096U, 5008U, 65535U, 1U << 20}) {
      CheckedHeap heap(based(options(size), base));
      for (Size align = 1; align <= round_up(size, 16) / 4; align *= 2) {
        heap.reset();
        EXPECT_NE(heap.malloc(16, align), 0U) << align;
        heap.reset();
        heap.malloc(0);
        EXPECT_NE(heap.malloc(16, align), 0U) << align << ", behind a block";
      }
    }
  }
}

// --- Requests that cannot be served. ------------------------------------------------------------

// No arithmetic on a size may wrap to a small one.
TEST_P(HeapContract, NoImpossibleSizeIsServed) {
  CheckedHeap heap(options());
  std::vector<Size> sizes = {4097 - front(), 4097, 100000, largest_region, largest_region + 1};
  for (const Size around : {Size{1} << 31, Size{1} << 32, Size{1} << 36, Size{1} << 63, Size{0}}) {
    for (Size k = 1; k <= 40; ++k) sizes.insert(sizes.end(), {around - k, around + (k << 12) + 1});
  }
  for (const Size size : sizes) EXPECT_EQ(heap.malloc(size), 0U) << size;
}

// For a malloc and a free the caller need not clear its Fault.
class RefusalContract : public HeapContract {
 protected:
  // A Fault whose every byte is set.
  static void soil(Fault& fault) { std::memset(static_cast<void*>(&fault), 0xA5, sizeof fault); }
  // The fields of a fault.
  static auto fields(const Fault& fault) {
    const Shortage& shortage = fault.shortage;
    return std::tuple(fault.kind, fault.rule, fault.minimum, fault.granule_bits, fault.system_error,
                      fault.address, fault.owner, fault.index, fault.argument, fault.maximum,
                      fault.field, fault.offset, fault.expected, fault.found, shortage.available,
                      shortage.largest, shortage.free_blocks, shortage.align);
  }
  // Refused with a soiled Fault and with a clean one, the call writes the same.
  template <typename Call>
  static void expect_same(FaultKind kind, Call call) {
    UnsetFault soiled;
    soil(soiled.fault);
    Fault clean;
    EXPECT_FALSE(call(soiled.fault));
    EXPECT_FALSE(call(clean));
    EXPECT_EQ(clean.kind, kind);
    EXPECT_EQ(fields(soiled.fault), fields(clean));
  }
};
GLASSHEAP_FOR_EVERY(RefusalContract);

TEST_P(RefusalContract, WritesTheWholeFault) {
  const auto plain = [](Options&) {};
  const auto cached = [](Options& options) { options.thread_cache = true; };
  const auto wiped = [](Options& options) { options.zero_on_free = true; };
  for (const std::function<void(Options&)> change : {+plain, +cached, +wiped}) {
    Options changed = options();
    change(changed);
    Fault fault;
    const auto heap = Heap::open(changed, fault);
    ASSERT_TRUE(heap) << sentence(fault);
    const Address payload = heap->malloc(100, 16, fault);
    const Address freed = heap->malloc(100, 16, fault);
    ASSERT_TRUE(heap->free(freed, fault));
    expect_same(FaultKind::out_of_memory, [&](Fault& f) { return heap->malloc(5000, 16, f); });
    expect_same(FaultKind::invalid_alignment, [&](Fault& f) { return heap->malloc(1, 3, f); });
    expect_same(FaultKind::interior_pointer, [&](Fault& f) { return heap->free(payload + 32, f); });
    expect_same(FaultKind::misaligned_pointer,
                [&](Fault& f) { return heap->free(payload + 1, f); });
    expect_same(FaultKind::double_free, [&](Fault& f) { return heap->free(freed, f); });
    expect_same(FaultKind::foreign_pointer, [&](Fault& f) { return heap->free(1, f); });
    ASSERT_TRUE(heap->close(fault));
    expect_same(FaultKind::heap_closed, [&](Fault& f) { return heap->malloc(1, 16, f); });
    expect_same(FaultKind::heap_closed, [&](Fault& f) { return heap->free(payload, f); });
  }
}

TEST_P(HeapContract, CallocNeverWraps) {
  CheckedHeap heap(options());
  for (const auto& [count, size] : std::vector<std::pair<Size, Size>>{
           {most, 2}, {2, most}, {Size{1} << 32, Size{1} << 32}, {most / 16 + 2, 16}, {most, most}})
    EXPECT_EQ(heap.calloc(count, size), 0U);
  EXPECT_NE(heap.calloc(0, most), 0U);
  EXPECT_NE(heap.calloc(most, 0), 0U);
  heap.inspect();
}

TEST(ExternalFragmentation, IsOneLessTheShareOfTheLargestFreeBlock) {
  Stats stats;
  EXPECT_EQ(stats.external_fragmentation(), 0);
  stats.available = 400;
  stats.largest_free = 300;
  EXPECT_DOUBLE_EQ(stats.external_fragmentation(), 0.25);
}

// --- What is left of freed blocks. --------------------------------------------------------------

// Six blocks, freed in each of the 720 orders: afterwards the bytes, the walk and the list are
// those of a fresh heap. Only the free blocks may have other records.
TEST_P(FullCoalescingContract, FreeingInAnyOrderRestoresTheFirstState) {
  std::vector<std::size_t> order(6);
  std::iota(order.begin(), order.end(), 0U);
  CheckedHeap heap(options(400));
  const HeapView first = heap.view();
  do {
    std::vector<Address> payloads;
    for (const Size size : {16U, 0U, 48U, 7U, 32U, 64U}) {
      payloads.push_back(heap.malloc(size));
      std::memset(heap.at(payloads.back()), 0, size);
    }
    for (const std::size_t i : order) heap.free(payloads[i]);
    heap.inspect();
    HeapView last = heap.view();
    for (const FreeBlock& block : first.free_list) {
      const auto record = block.address - heap->base() + offsetof(node_t, record);
      std::memcpy(&last.bytes[record], &first.bytes[record], sizeof node_t::record);
    }
    ASSERT_EQ(last.bytes, first.bytes);
    ASSERT_EQ(last.free_list, first.free_list);
  } while (std::next_permutation(order.begin(), order.end()));
}

// If no payload is ever written to, the only non-zero bytes are the heap's own. So a new payload
// must be all zeros, after any history: no link, seal or magic number of an earlier block shows.
class OldContents : public EveryPolicy {
 protected:
  static void expect_zeros(const CheckedHeap& heap, Address payload, Size size) {
    for (Size i = 0; i < size; ++i) ASSERT_EQ(heap.at(payload)[i], std::byte{0}) << i;
  }
  // Makes a random call, of which the model is not told.
  static void use(const CheckedHeap& heap, std::mt19937& random) {
    const auto blocks = heap.view().blocks;
    const BlockInfo& block = blocks[random() % blocks.size()];
    const Address any = block.live ? block.address : 0;
    const Size size = random() % 200;
    const unsigned choice = random() % 16;
    const std::vector<Size> too_much = {16, size, 0, 5000};
    std::vector<Address> addresses(too_much.size());
    Fault fault;
    if (choice == 0) heap->malloc_many(too_much, addresses, fault);
    if (choice == 1 && size < 20) heap->reset(fault);
    if (choice >= 2 && choice < 8) heap->malloc(size / 2, Size{16} << random() % 5, fault);
    if (choice >= 8 && choice < 12) heap->free(any, fault);
    if (choice < 12) return;
    if (const Address now = heap->realloc(any, size, 16, fault)) expect_zeros(heap, now, size);
  }
};
GLASSHEAP_FOR_EVERY(OldContents);

TEST_P(OldContents, AreGoneFromANewPayloadAfterAnyHistory) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    const CheckedHeap heap(options(1024));
    for (int step = 0; step < 60; ++step) use(heap, random);
    // Then all free memory, the largest block first, so that each is still whole in its turn.
    Fault fault;
    while (!fault) {
      const Size size = heap->largest_free(fault);
      if (const Address payload = heap->malloc(size, 16, fault)) expect_zeros(heap, payload, size);
    }
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace glassheap
