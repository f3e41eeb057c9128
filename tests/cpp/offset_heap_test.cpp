// Offset heaps: a heap in the caller's units over a shadow of memory that it never touches. That it
// places blocks as a heap with bytes does is in tests/python/test_offset_heap.py.

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <stdexcept>

#include "glassheap/memory_resource.hpp"
#include "heap/units.hpp"

namespace glassheap {
namespace {

constexpr Size most = ~Size{0};

Options offsets(Size size, Size granule) {
  Options options;
  options.size = size;
  options.granule = granule;
  return options;
}

std::unique_ptr<Heap> open(const Options& options) {
  Fault fault;
  std::unique_ptr<Heap> heap = Heap::open(options, fault);
  EXPECT_TRUE(heap) << sentence(fault);
  return heap;
}

// --- Units. -------------------------------------------------------------------------------------

std::vector<Size> granules() {
  std::vector<Size> all;
  for (Size granule = 1; granule <= largest_granule; granule *= 2) all.push_back(granule);
  return all;
}

TEST(Units, ASizeBecomesGranulesRoundedUpAndNeverWraps) {
  for (const Size granule : granules()) {
    const Units units(granule);
    for (const Size n : {Size{0}, Size{1}, Size{2}, Size{1000}}) {
      EXPECT_EQ(round_up(units.to_core(n * granule), 16), n * 16);
      EXPECT_EQ(round_up(units.to_core(n * granule + 1), 16), (n + 1) * 16);
      EXPECT_EQ(units.to_caller(n * 16), n * granule);
    }
    EXPECT_GE(units.to_core(most), most / granule);
    EXPECT_GE(units.to_core(most - granule), units.to_core(most / 2));
  }
}

// What is no payload for the caller is none for the core, and keeps its value.
TEST(Units, APlaceIsTranslatedBackAndForth) {
  for (const Size granule : granules()) {
    const Units units(granule);
    const Size most_granules = std::min((Size{1} << 63) / granule, largest_region / 16);
    const Size end = most_granules * granule;
    for (const Offset at : {Offset{0}, Offset{1}, granule - 1, granule, granule + 1, end - granule,
                            end - 1, end, end + 1, most - granule, most - 1, most}) {
      const Offset inside = units.place_to_core(at);
      EXPECT_EQ(units.place_to_caller(inside), at);
      const bool may_be_payload = inside < most_granules * 16 && inside % 16 == 0;
      EXPECT_EQ(may_be_payload, at < end && at % granule == 0) << at << " of " << granule;
    }
  }
}

TEST(Units, AHeapWithBytesHasTheCallersUnits) {
  constexpr Units units;
  static_assert(units.agree() && units.granule() == 16);
  for (const Size n : {Size{0}, Size{1}, Size{17}, most}) {
    EXPECT_EQ(units.to_core(n), n);
    EXPECT_EQ(units.to_caller(n), n);
    EXPECT_EQ(units.place_to_core(n), n);
    EXPECT_EQ(units.align_to_core(n), std::max(n, Size{16}));
  }
}

// --- 0 is a payload; a refusal has a fault. -----------------------------------------------------

// Every way of a call: plain, cached, careful; with a Fault whose every byte is set.
TEST(OffsetHeap, AZeroWithoutAFaultIsAPayload) {
  for (const bool threads : {false, true}) {
    for (const bool cached : {false, true}) {
      for (const Size align : {Size{4096}, Size{8192}}) {
        Options options = offsets(Size{4} * 4096, 4096);
        options.threads = threads;
        options.thread_cache = cached;
        const auto heap = open(options);
        for (int i = 0; i < 3; ++i) {
          UnsetFault unset;
          std::memset(static_cast<void*>(&unset.fault), 0xA5, sizeof unset.fault);
          EXPECT_EQ(heap->malloc(1, align > heap->align_limit() ? 4096 : align, unset.fault), 0U);
          EXPECT_FALSE(unset.fault);
          std::memset(static_cast<void*>(&unset.fault), 0xA5, sizeof unset.fault);
          EXPECT_EQ(heap->malloc(5 * 4096, 4096, unset.fault), 0U);
          EXPECT_EQ(unset.fault.kind, FaultKind::out_of_memory);
          EXPECT_EQ(unset.fault.argument, Size{5} * 4096);
          Fault fault;
          EXPECT_EQ(heap->live_blocks(fault), 1U);
          EXPECT_TRUE(heap->free(0, fault)) << sentence(fault);
          EXPECT_FALSE(heap->free(0, fault));
          EXPECT_EQ(fault.kind, FaultKind::double_free);
        }
      }
    }
  }
}

// The address that is 0 inside of the heap is a foreign one for the caller.
TEST(OffsetHeap, NoAddressDoesNothing) {
  for (const Size granule : {1U, 16U, 4096U}) {
    const auto heap = open(offsets(granule * 64, granule));
    for (const Offset inside : {Offset{0} - 16, Offset{0} - 32}) {
      Fault fault;
      EXPECT_FALSE(heap->free(Units(granule).place_to_caller(inside), fault));
      EXPECT_EQ(fault.kind, FaultKind::foreign_pointer);
    }
  }
}

TEST(OffsetHeap, RepeatsTheCallersNumbersInEveryFault) {
  const auto heap = open(offsets(Size{64} * 4096, 4096));
  Fault fault;
  EXPECT_EQ(heap->malloc(3, fault), 0U);
  for (const Address bad :
       {Address{1}, Address{4097}, most, Address{1} << 63, Address{64} * 4096}) {
    fault = {};
    EXPECT_FALSE(heap->free(bad, fault));
    EXPECT_EQ(fault.address, bad);
    const bool inside = bad < Size{64} * 4096;
    EXPECT_EQ(fault.kind, inside ? FaultKind::misaligned_pointer : FaultKind::foreign_pointer);
    EXPECT_EQ(granule_of(fault), 4096U);
  }
}

// --- Moving. ------------------------------------------------------------------------------------

struct Crowded {
  std::unique_ptr<Heap> heap = open(offsets(Size{16} * 512, 512));
  Fault fault;
  Address first = heap->malloc(512, fault);
  Address second = heap->malloc(512, fault);
};

TEST(OffsetHeap, ReallocRefusesToMoveWithoutAMove) {
  Crowded crowded;
  EXPECT_EQ(crowded.heap->realloc(crowded.first, 513, 512, crowded.fault), 0U);
  EXPECT_EQ(crowded.fault.kind, FaultKind::must_move);
  crowded.fault = {};
  EXPECT_EQ(crowded.heap->realloc(crowded.second, 2000, 512, crowded.fault), crowded.second);
  EXPECT_FALSE(crowded.fault);
}

TEST(OffsetHeap, AMoveIsCalledOnceWithBothPlaces) {
  Crowded crowded;
  std::vector<std::array<Address, 3>> calls;
  const auto move = [&](Address from, Address to, Size size) { calls.push_back({from, to, size}); };
  const Address now = crowded.heap->realloc(crowded.first, 1000, 512, move, crowded.fault);
  EXPECT_FALSE(crowded.fault);
  EXPECT_EQ(calls, (std::vector<std::array<Address, 3>>{{crowded.first, now, 512}}));
  EXPECT_EQ(crowded.heap->live_blocks(crowded.fault), 2U);
  EXPECT_TRUE(crowded.heap->reset(crowded.fault));  // nothing is pinned
}

TEST(OffsetHeap, AMoveThatThrowsLeavesTheOldBlock) {
  Crowded crowded;
  const std::vector<BlockInfo> before = crowded.heap->walk(crowded.fault);
  const auto move = [](Address, Address, Size) { throw std::runtime_error("no copy"); };
  EXPECT_THROW(crowded.heap->realloc(crowded.first, 1000, 512, move, crowded.fault),
               std::runtime_error);
  EXPECT_EQ(crowded.heap->walk(crowded.fault).size(), before.size());
  EXPECT_TRUE(crowded.heap->reset(crowded.fault));
}

// --- Bytes, and options about them. -------------------------------------------------------------

TEST(OffsetHeap, HasNoBytes) {
  const auto heap = open(offsets(4096, 16));
  Fault fault;
  heap->malloc(16, fault);
  Heap::Pinned pinned;
  EXPECT_FALSE(heap->has_bytes());
  EXPECT_EQ(heap->address(), 0U);
  EXPECT_FALSE(heap->pin(0, pinned, fault));
  EXPECT_EQ(fault.kind, FaultKind::no_bytes);
  fault = {};
  EXPECT_FALSE(heap->pin_region(pinned, fault));
  EXPECT_EQ(fault.kind, FaultKind::no_bytes);
  fault = {};
  EXPECT_EQ(heap->calloc(1, 1, fault), 0U);
  EXPECT_EQ(fault.kind, FaultKind::no_bytes);
}

// Its containers would store offsets as pointers.
TEST(OffsetHeap, HasNoContainers) {
  const auto heap = open(offsets(4096, 16));
  EXPECT_THROW(const HeapResource resource(*heap), RefusedRequest);
}

TEST(OffsetHeap, TakesNoOptionAboutBytes) {
  using Change = void (*)(Options&);
  const std::pair<const char*, Change> rows[] = {
      {"checks", [](Options& options) { options.checks = Checks::debug; }},
      {"zero_on_free", [](Options& options) { options.zero_on_free = true; }},
      {"base", [](Options& options) { options.base = 4096; }},
      {"huge_pages", [](Options& options) { options.huge_pages = true; }},
      {"quarantine", [](Options& options) { options.quarantine = 64; }},
      {"align", [](Options& options) { options.granule.reset(), options.align = 64; }},
  };
  for (const auto& [name, change] : rows) {
    Options options = offsets(4096, 16);
    change(options);
    Fault fault;
    EXPECT_FALSE(Heap::open(options, fault)) << name;
    EXPECT_EQ(fault.kind, FaultKind::unwanted_option) << name;
    EXPECT_STREQ(fault.field, name);
  }
}

TEST(OffsetHeap, LiesOverNoBorrowedBytes) {
  alignas(16) std::array<std::byte, 256> bytes{};
  Fault fault;
  EXPECT_FALSE(Heap::over(bytes, nullptr, offsets(4096, 16), fault));
  EXPECT_EQ(fault.kind, FaultKind::unwanted_option);
  EXPECT_STREQ(fault.field, "granule");
}

}  // namespace
}  // namespace glassheap
