// Opening and closing a heap: its first state, the options that are refused, and what a closed heap
// still answers.

#include <gtest/gtest.h>

#include "every_policy.hpp"

namespace glassheap {
namespace {

constexpr Size most = ~Size{0};

class Opening : public EveryPolicy {};
GLASSHEAP_FOR_EVERY(Opening);

class HeaderlessOpening : public Opening {};
GLASSHEAP_FOR_EVERY(HeaderlessOpening, [](const Options& options) { return !options.headers; });

// Returns the fault of a heap that cannot be opened.
Fault refusal(const Options& options) {
  Fault fault;
  EXPECT_EQ(Heap::open(options, fault), nullptr);
  return fault;
}

TEST_P(Opening, AFreshHeapIsFreeFromItsFirstByteToItsLast) {
  for (Size size = 16; size < 1500; size += 13) {
    CheckedHeap heap(options(size));
    heap.inspect();
    EXPECT_EQ(heap->size(), round_up(size, 16));
    EXPECT_EQ(heap->base(), heap->address());
  }
}

// --- No payload has the address 0. --------------------------------------------------------------

// Without headers the first payload would have the address 0; so the first granule is not used.
TEST_P(HeaderlessOpening, WithBase0TheFirstGranuleStaysUnused) {
  CheckedHeap heap(based(options(80), 0));
  EXPECT_EQ(heap.malloc(10), 16U);
  EXPECT_EQ(heap.view().stats.size, 80U);
  EXPECT_EQ(heap.view().stats.used, 32U);
  EXPECT_EQ(heap.view().stats.available, 48U);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(heap.view().bytes[i], std::byte{0}) << i;
}

TEST_P(HeaderlessOpening, WithAnotherBaseTheFirstGranuleIsUsed) {
  for (const Address base : {Address{16}, Address{1} << 40})
    EXPECT_EQ(CheckedHeap(based(options(64), base)).malloc(64), base);
}

TEST_P(HeaderlessOpening, WithBase0ARegionOfOneGranuleIsRefused) {
  for (const Size size : {Size{1}, Size{16}, Size{31}}) {
    const Fault fault = refusal(based(options(size), 0));
    EXPECT_EQ(fault.kind, FaultKind::invalid_size);
    EXPECT_EQ(fault.minimum * granule_of(fault), 32U);
  }
  CheckedHeap(based(options(32), 0)).close();
  CheckedHeap(based(options(16), 16)).close();
  CheckedHeap(options(16)).close();
}

// --- Refused options. ---------------------------------------------------------------------------

TEST_P(Opening, RefusesAnImpossibleSizeOrBase) {
  for (const Size size : {Size{0}, Size{1}, Size{15}, largest_region + 1, Size{1} << 63, most}) {
    const Fault fault = refusal(options(size));
    EXPECT_EQ(fault.kind, FaultKind::invalid_size);
    EXPECT_EQ(fault.argument, size);
  }
  for (const Address base : {Address{1}, Address{8}, Address{4097}, most - 15, most - 4095})
    EXPECT_EQ(refusal(based(options(), base)).kind, FaultKind::invalid_base) << base;
}

TEST(OpeningByName, RefusesAnUnknownPolicy) {
  for (const char* name : {"", "first_fi", "first_fitt", "FIRST_FIT"})
    EXPECT_EQ(refusal(variants_of::policy(name).options).kind, FaultKind::unknown_policy);
}

TEST(OpeningByName, RefusesTheSettingsOfAnotherPolicy) {
  for (const std::string_view name : policy_names()) {
    std::vector<Options> with_settings(3, variants_of::policy(name).options);
    with_settings[0].fit = Fit::first;
    with_settings[1].order = Order::address;
    with_settings[2].coalesce = true;
    constexpr std::array settings = {"fit", "order", "coalesce"};
    for (std::size_t i = 0; i < settings.size(); ++i) {
      if (name == "sequential_fit") {
        CheckedHeap(with_settings[i]).close();
        continue;
      }
      const Fault fault = refusal(with_settings[i]);
      EXPECT_EQ(fault.kind, FaultKind::unwanted_option) << name;
      EXPECT_STREQ(fault.field, settings[i]) << name;
    }
  }
}

// --- Closing. -----------------------------------------------------------------------------------

TEST_P(Opening, AClosedHeapRefusesEverythingButItsProperties) {
  CheckedHeap heap(options());
  const Address base = heap->base();
  const Address payload = heap.malloc(16);
  EXPECT_FALSE(heap->closed());
  heap.close();
  EXPECT_TRUE(heap->closed());
  const auto closed = [&](auto call) {
    Fault fault;
    call(fault);
    EXPECT_EQ(fault.kind, FaultKind::heap_closed);
  };
  closed([&](Fault& f) { return heap->malloc(1, 16, f); });
  closed([&](Fault& f) { return heap->calloc(1, 1, f); });
  closed([&](Fault& f) { return heap->realloc(payload, 1, 16, f); });
  closed([&](Fault& f) { return heap->free(payload, f); });
  closed([&](Fault& f) { return heap->free(0, f); });
  closed([&](Fault& f) { return heap->usable_size(payload, f); });
  closed([&](Fault& f) { return heap->contains(payload, f); });
  closed([&](Fault& f) { return heap->walk(f); });
  closed([&](Fault& f) { return heap->free_list(f); });
  closed([&](Fault& f) { return heap->check(f); });
  closed([&](Fault& f) { return heap->stats(f).size; });
  closed([&](Fault& f) { return heap->available_memory(f); });
  closed([&](Fault& f) { return heap->largest_free(f); });
  closed([&](Fault& f) { return heap->live_blocks(f); });
  closed([&](Fault& f) { return heap->reset(f); });
  EXPECT_EQ(heap->base(), base);
  EXPECT_EQ(heap->size(), 4096U);
  heap.close();  // closing twice is allowed
}

}  // namespace
}  // namespace glassheap
