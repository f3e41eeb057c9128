// checks="debug": every write behind a payload or into free memory is found, to the byte. The model
// has that no correct write is reported, and that a new payload shows nothing of earlier ones.

#include <gtest/gtest.h>

#include "damaged_heap.hpp"
#include "every_policy.hpp"
#include "glassheap/layout.h"

namespace glassheap {
namespace {

class DebugHeap : public EveryPolicy {};
GLASSHEAP_FOR_VARIANTS(DebugHeap, debug_variants());

TEST_P(DebugHeap, AWriteToAnyByteBehindAPayloadIsFoundAtFree) {
  for (const Size size : {0U, 1U, 15U, 16U, 17U, 31U, 32U, 47U, 100U}) {
    for (Size byte = size; byte < extent(size) - front(); ++byte) {
      CheckedHeap heap(options(1024));
      heap.malloc(24);
      const Address payload = heap.malloc(size);
      flip_byte(heap, payload + byte);
      heap.free(payload);
      const Fault& fault = heap.fault();
      EXPECT_EQ(fault.kind, FaultKind::overflow_detected);
      EXPECT_EQ(fault.offset, payload - front() - heap->base());
      EXPECT_GE(byte, fault.found) << "the written byte, or the start of its trailer";
      EXPECT_LE(size, fault.found);
      if (front() != 0) {
        EXPECT_EQ(fault.expected, size);
        EXPECT_EQ(fault.found, byte);
      }
    }
  }
}

TEST_P(DebugHeap, AnOverflowIsFoundByEveryUseOfTheBlockAndByCheckWhichNamesIt) {
  for (int use = 0; use < 4; ++use) {
    CheckedHeap heap(options());
    const Address payload = heap.malloc(20);
    heap.malloc(20);
    flip_byte(heap, payload + 20);
    if (use == 0) heap.query(payload);
    if (use == 1) heap.free_many({payload});
    if (use >= 2) heap.realloc(payload, use == 2 ? 1 : 1000);
    EXPECT_EQ(heap.fault().kind, FaultKind::overflow_detected) << use;
    const Findings findings = heap.inspect();
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].fault.kind, FaultKind::overflow_detected);
    EXPECT_EQ(findings[0].culprit.address, payload);
    use_damaged(heap, payload);
    heap.reset();
    heap.inspect();
  }
}

TEST_P(DebugHeap, AWriteToAnyByteOfFreeMemoryIsFoundByCheck) {
  for (Offset at = 16; at < 512; at += 7) {
    CheckedHeap heap(options(512));
    if (at < heap.view().blocks.back().start - heap->base() + 16) continue;
    flip_byte(heap, heap->base() + at);
    const Findings findings = heap.inspect();
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].fault.kind, FaultKind::write_after_free);
    EXPECT_EQ(findings[0].fault.offset, at);
  }
}

TEST_P(DebugHeap, AWriteIntoFreedMemoryIsFoundWhenItIsHandedOutAgain) {
  for (const Size size : {Size{17}, Size{100}, Size{200}}) {
    for (Size byte = 16; byte < extent(size); ++byte) {
      CheckedHeap heap(options(2048));
      const Address payload = heap.malloc(size);
      heap.malloc(16);
      heap.free(payload);
      flip_byte(heap, payload - front() + byte);
      while (heap.malloc(size) != 0) continue;
      EXPECT_EQ(heap.fault().kind, FaultKind::write_after_free) << byte;
      EXPECT_EQ(heap.fault().offset, payload - front() + byte - heap->base());
    }
  }
}

// When a free block is split, the part that is allocated is checked, and the places of new nodes.
// The rest is checked when it is allocated itself.
TEST_P(DebugHeap, AWriteIntoFreeMemoryIsFoundByTheSplitThatUsesIt) {
  const Size split = 128;
  const auto refused = [&](Offset at) {
    CheckedHeap heap(options());
    flip_byte(heap, heap->base() + at);
    heap.malloc(split - front() - 16);
    EXPECT_TRUE(!heap.fault() || heap.fault().kind == FaultKind::write_after_free);
    EXPECT_TRUE(!heap.fault() || heap.fault().offset == at);
    return static_cast<bool>(heap.fault());
  };
  for (const Offset at : {Offset{16}, split / 2, split - 1, split, split + 15})
    EXPECT_TRUE(refused(at));
  EXPECT_FALSE(refused(split + 16));
  for (const Offset at : {2 * split, 4 * split + 15, 16 * split})
    EXPECT_EQ(refused(at), !splits_anywhere(options())) << "a buddy of some order begins here";
}

// The trailer's check value fits the end of the block, but no block of this extent has its size.
TEST_P(DebugHeap, AReplayedTrailerIsFound) {
  CheckedHeap heap(options(256));
  const Address whole = heap.malloc(heap.model().stats().largest_free);
  const std::vector<std::byte> bytes = heap.view().bytes;
  heap.free(whole);
  for (int i = 0; i < 4; ++i) heap.malloc(64 - 16 - front());
  heap.write(heap->base() + 240, std::span(bytes).last(16));
  heap.query(heap.model().live().rbegin()->first);
  EXPECT_EQ(heap.fault().kind, FaultKind::overflow_detected);
  EXPECT_EQ(heap.fault().expected, 48 - front());
  EXPECT_EQ(heap.fault().found, 48 - front());
}

TEST_P(DebugHeap, ABlockThatGrowsShowsNoTrailer) {
  CheckedHeap heap(options());
  Address payload = heap.malloc(20);
  heap.write(payload, std::vector(20, std::byte{0}));
  for (Size size = 20; size < 400; size += 9) {
    payload = heap.realloc(payload, size);
    for (Size i = 0; i < size; ++i) {
      const auto byte = std::to_integer<unsigned>(heap.at(payload)[i]);
      ASSERT_TRUE(byte == 0 || byte == GLASSHEAP_FREED || byte == GLASSHEAP_REDZONE) << i;
    }
    heap.write(payload, std::vector(size, std::byte{0}));
  }
  heap.inspect();
}

}  // namespace
}  // namespace glassheap
