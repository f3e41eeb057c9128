// checks="debug": every write behind a payload or into free memory is found, to the byte; no
// correct write is reported.

#include <gtest/gtest.h>

#include "damaged_heap.hpp"

namespace glassheap {
namespace {

class DebugHeap : public EveryPolicy {
 protected:
  // Writes a byte as a faulty program does: AddressSanitizer must not stop it.
  [[gnu::no_sanitize_address]] static void corrupt(HeapFixture& heap, Address at) {
    auto* const byte = std::bit_cast<volatile unsigned char*>(heap.at(at));
    *byte = *byte ^ 0x5A;
  }
  // The last bytes of the region: the trailer of the last block if that is live.
  static std::vector<std::byte> last_bytes(HeapFixture& heap) {
    const std::vector<std::byte> bytes = bytes_of(*heap);
    return {bytes.end() - 16, bytes.end()};
  }
  [[gnu::no_sanitize_address]] static void write_last_bytes(HeapFixture& heap,
                                                            const std::vector<std::byte>& bytes) {
    auto* const end = std::bit_cast<volatile std::byte*>(heap.region() + heap->size());
    for (Size i = 0; i < bytes.size(); ++i) end[static_cast<std::ptrdiff_t>(i) - 16] = bytes[i];
  }
  // The number of checked bytes behind the payload of a block.
  static Size behind(Size size) { return extent(size) - front() - size; }

  static Size usable_size(HeapFixture& heap, Address payload) {
    return heap.granted([&](Fault& f) { return heap->usable_size(payload, f); });
  }
  static Fault malloc_fault(HeapFixture& heap, Size size) {
    Fault fault;
    const Address payload = heap->malloc(size, granule_size, fault);
    EXPECT_EQ(payload == 0, static_cast<bool>(fault));
    return fault;
  }
  static FaultKind only_finding(HeapFixture& heap) {
    const Findings findings = heap.check();
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? FaultKind::none : findings.front().fault.kind;
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, DebugHeap, ::testing::ValuesIn(debug_variants()), by_name);

constexpr Size some_sizes[] = {0, 1, 15, 16, 17, 31, 32, 47, 100};

TEST_P(DebugHeap, ABlockHasExactlyTheBytesThatWereAskedFor) {
  HeapFixture heap(options());
  for (const Size size : some_sizes) {
    const Address payload = heap.malloc(size);
    EXPECT_EQ(usable_size(heap, payload), size);
    EXPECT_EQ(heap.info(payload).size, size);
    std::fill_n(heap.at(payload), size, std::byte{0xAA});
  }
  EXPECT_TRUE(heap.check().empty());
}

TEST_P(DebugHeap, AWriteToAnyByteBehindAPayloadIsFoundAtFree) {
  for (const Size size : some_sizes) {
    for (Size i = 0; i < behind(size); ++i) {
      HeapFixture heap(options());
      heap.malloc(24);
      const Address payload = heap.malloc(size);
      corrupt(heap, payload + size + i);
      const Fault fault = heap.refused_free(payload);
      EXPECT_EQ(fault.kind, FaultKind::overflow_detected);
      EXPECT_EQ(fault.offset, payload - front() - heap->base());
      EXPECT_GE(size + i, fault.found) << "the written byte, or the start of its trailer";
      EXPECT_LE(size, fault.found);
      if (front() != 0) {
        EXPECT_EQ(fault.expected, size);
        EXPECT_EQ(fault.found, size + i);
      }
      expect_frozen(heap, payload);
      expect_recovery(heap);
    }
  }
}

TEST_P(DebugHeap, AnOverflowIsFoundByEveryUseOfTheBlock) {
  const auto overflowed = [](auto use) {
    HeapFixture heap(options());
    const Address payload = heap.malloc(20);
    corrupt(heap, payload + 20);
    return heap.refused([&](Fault& f) { use(heap, payload, f); }).kind;
  };
  constexpr auto kind = FaultKind::overflow_detected;
  EXPECT_EQ(overflowed([](HeapFixture& r, Address p, Fault& f) { r->realloc(p, 1000, 16, f); }),
            kind);
  EXPECT_EQ(overflowed([](HeapFixture& r, Address p, Fault& f) { r->realloc(p, 1, 16, f); }), kind);
  EXPECT_EQ(overflowed([](HeapFixture& r, Address p, Fault& f) { r->usable_size(p, f); }), kind);
  EXPECT_EQ(overflowed([](HeapFixture& r, Address p, Fault& f) {
              std::vector<Address> batch = {p};
              r->free_many(batch, f);
            }),
            kind);
}

TEST_P(DebugHeap, CheckNamesTheBlockThatOverflowed) {
  HeapFixture heap(options());
  const Address payload = heap.malloc(20);
  heap.malloc(20);
  corrupt(heap, payload + 21);
  const Findings findings = heap.check();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].fault.kind, FaultKind::overflow_detected);
  EXPECT_EQ(findings[0].culprit.address, payload);
}

TEST_P(DebugHeap, AWriteToAnyByteOfFreeMemoryIsFoundByCheck) {
  for (Offset at = 16; at < 512; at += 7) {
    HeapFixture heap(options(512));
    const BlockInfo block = heap.walk().back();
    if (at < block.start - heap->base() + 16) continue;
    corrupt(heap, heap->base() + at);
    EXPECT_EQ(only_finding(heap), FaultKind::write_after_free);
    EXPECT_EQ(heap.check()[0].fault.offset, at);
    expect_recovery(heap);
  }
}

TEST_P(DebugHeap, AWriteIntoFreedMemoryIsFoundWhenItIsHandedOutAgain) {
  for (const Size size : {Size{17}, Size{100}, Size{200}}) {
    for (Size i = 16; i < extent(size); ++i) {
      HeapFixture heap(options());
      const Address payload = heap.malloc(size);
      heap.malloc(16);
      heap.free(payload);
      corrupt(heap, payload - front() + i);
      Fault fault;  // the policy may take another block first
      for (int k = 0; k < 100 && !fault; ++k) fault = malloc_fault(heap, size);
      EXPECT_EQ(fault.kind, FaultKind::write_after_free) << i;
      EXPECT_EQ(fault.offset, payload - front() + i - heap->base());
    }
  }
}

// When a free block is split, the part that is allocated is checked, and the places of new nodes.
// The rest is checked when it is allocated itself.
TEST_P(DebugHeap, AWriteIntoFreeMemoryIsFoundByTheSplitThatUsesIt) {
  const Size split = 128;
  const Size size = split - front() - 16;
  const auto refused = [&](Offset at) {
    HeapFixture heap(options());
    corrupt(heap, heap->base() + at);
    const Fault fault = malloc_fault(heap, size);
    if (fault) {
      EXPECT_EQ(fault.kind, FaultKind::write_after_free);
      EXPECT_EQ(fault.offset, at);
    }
    return static_cast<bool>(fault);
  };
  for (const Offset at : {Offset{16}, split / 2, split - 1, split, split + 15})
    EXPECT_TRUE(refused(at));
  EXPECT_FALSE(refused(split + 16));
  for (const Offset at : {2 * split, 4 * split + 15, 16 * split})
    EXPECT_EQ(refused(at), !splits_anywhere(options())) << "a buddy of some order begins here";
}

// The trailer's check value fits the end of the block, but no block of this extent has its size.
TEST_P(DebugHeap, AReplayedTrailerIsFound) {
  HeapFixture heap(options(256));
  const Size largest = heap.first_list().back().size;
  const Address whole = heap.malloc(largest);
  const std::vector<std::byte> trailer = last_bytes(heap);
  heap.free(whole);
  for (int i = 0; i < 4; ++i) heap.malloc(64 - 16 - front());
  const BlockInfo last = heap.walk().back();
  write_last_bytes(heap, trailer);
  const Fault fault = heap.refused([&](Fault& f) { heap->usable_size(last.address, f); });
  EXPECT_EQ(fault.kind, FaultKind::overflow_detected);
  EXPECT_EQ(fault.expected, 48 - front());
  EXPECT_EQ(fault.found, 48 - front());
}

TEST_P(DebugHeap, ANewPayloadShowsTheFillAndNothingElse) {
  HeapFixture heap(options());
  std::vector<Address> payloads;
  for (const Size size : some_sizes) payloads.push_back(heap.malloc(size));
  for (const Address payload : payloads) heap.free(payload);
  for (const Size size : some_sizes) {
    const Address payload = heap.malloc(size);
    for (Size i = 0; i < size; ++i) ASSERT_EQ(heap.at(payload)[i], std::byte{GLASSHEAP_FREED});
  }
}

TEST_P(DebugHeap, ABlockThatGrowsShowsNoTrailer) {
  HeapFixture heap(options());
  Address payload = heap.calloc(1, 20);
  for (Size size = 20; size < 400; size += 9) {
    payload = heap.realloc(payload, size);
    for (Size i = 0; i < size; ++i) {
      const auto byte = std::to_integer<unsigned>(heap.at(payload)[i]);
      ASSERT_TRUE(byte == 0 || byte == GLASSHEAP_FREED || byte == GLASSHEAP_REDZONE) << i;
    }
    std::fill_n(heap.at(payload), size, std::byte{0});
  }
  EXPECT_TRUE(heap.check().empty());
}

TEST_P(DebugHeap, WithZeroOnFreeTheFillIsZeros) {
  Options zeroing = options();
  zeroing.zero_on_free = true;
  HeapFixture heap(zeroing);
  const Address payload = heap.malloc(100);
  std::fill_n(heap.at(payload), 100, std::byte{0xAA});
  heap.free(payload);
  const Address again = heap.malloc(200);
  for (Size i = 0; i < 200; ++i) ASSERT_EQ(heap.at(again)[i], std::byte{0});
  EXPECT_TRUE(heap.check().empty());
}

TEST_P(DebugHeap, ARefusedBatchLeavesTheFillAsItWas) {
  HeapFixture heap(options());
  const Address hole = heap.malloc(300);
  heap.malloc(16);
  heap.free(hole);
  const std::vector<Size> sizes = {20, 0, 40, 16, 100, 4000};
  std::vector<Address> addresses(sizes.size());
  const Fault fault = heap.refused([&](Fault& f) { heap->malloc_many(sizes, addresses, f); });
  EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
  EXPECT_TRUE(heap.check().empty());
}

TEST_P(DebugHeap, TheLargestFreeBlockCanBeAllocated) {
  HeapFixture heap(options());
  heap.malloc(100, 64);
  const Size largest = heap.granted([&](Fault& f) { return heap->largest_free(f); });
  heap.malloc(largest);
  const Stats stats = heap.stats();
  Size offered = 0;
  for (const FreeBlock& block : heap.free_list()) offered += block.size;
  EXPECT_EQ(stats.available, offered);
}

}  // namespace
}  // namespace glassheap
