// Opening and closing a heap: its first state, the options that are refused, and what a closed heap
// still answers.

#include <gtest/gtest.h>

#include <limits>

#include "heap_fixture.hpp"

namespace glassheap {
namespace {

constexpr Size most = std::numeric_limits<Size>::max();

class Opening : public EveryPolicy {
 protected:
  static std::unique_ptr<Heap> open(Size size, std::optional<Address> base, Fault& fault) {
    Options wanted = options(size);
    wanted.base = base;
    return Heap::open(wanted, fault);
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Opening, ::testing::ValuesIn(variants()), by_name);

class OpeningInOnePiece : public Opening {};
INSTANTIATE_TEST_SUITE_P(Policies, OpeningInOnePiece,
                         ::testing::ValuesIn(variants(splits_anywhere)), by_name);

class HeaderlessOpening : public Opening {};
INSTANTIATE_TEST_SUITE_P(Policies, HeaderlessOpening,
                         ::testing::ValuesIn(variants([](const Options& options) {
                           return !options.headers;
                         })),
                         by_name);

TEST_P(OpeningInOnePiece, AFreshHeapIsOneFreeBlock) {
  for (const Size size : {Size{16}, Size{17}, Size{160}, Size{4096}, Size{100000}}) {
    HeapFixture heap(options(size));
    const Size rounded = (size + 15) / 16 * 16;
    const Address base = heap->base();
    EXPECT_EQ(heap->size(), rounded);
    EXPECT_EQ(base, heap->address());
    EXPECT_EQ(heap.free_list(), (std::vector<FreeBlock>{{base, rounded - front()}}));
    EXPECT_EQ(
        heap.walk(),
        (std::vector<BlockInfo>{{base, base + front(), rounded - front(), rounded, false, 0}}));
    EXPECT_TRUE(heap.check().empty());
  }
}

TEST_P(Opening, AFreshHeapIsFreeFromItsFirstByteToItsLast) {
  for (Size size = 16; size < 1500; size += 16) {
    HeapFixture heap(options(size));
    Offset end = heap->base();
    for (const BlockInfo& block : heap.walk()) {
      ASSERT_FALSE(block.live);
      ASSERT_EQ(block.start, end);
      end += block.extent;
    }
    ASSERT_EQ(end, heap->base() + size);
    ASSERT_TRUE(heap.check().empty());
  }
}

// --- No payload has the address 0. --------------------------------------------------------------

TEST_P(Opening, NoPayloadHasTheAddress0) {
  Options with_base_0 = options(96);
  with_base_0.base = 0;
  HeapFixture heap(with_base_0);
  for (Size granules = usable_region(with_base_0) / extent(0); granules > 0; --granules)
    EXPECT_NE(heap.malloc(0), 0U);
  EXPECT_TRUE(heap.free_list().empty());
  EXPECT_FALSE(heap.contains(0));
}

// Without headers the first payload would have the address 0; so the first granule is not used.
TEST_P(HeaderlessOpening, WithBase0TheFirstGranuleStaysUnused) {
  Options with_base_0 = options(80);
  with_base_0.base = 0;
  HeapFixture heap(with_base_0);
  const std::vector<BlockInfo> walk = {{16, 16, 64, 64, false, 0}};
  EXPECT_EQ(heap.walk(), walk);
  EXPECT_EQ(heap->size(), 80U);
  EXPECT_EQ(heap.stats().size, 80U);
  EXPECT_EQ(heap.stats().available, 64U);
  EXPECT_EQ(heap.stats().used, 0U);
  EXPECT_EQ(heap.malloc(10), 16U);
  EXPECT_EQ(heap.stats().used, 32U);
  EXPECT_EQ(heap.at(16), heap.region() + 16);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(heap.region()[i], std::byte{0}) << i;
}

TEST_P(HeaderlessOpening, WithAnotherBaseTheFirstGranuleIsUsed) {
  for (const Address base : {Address{16}, Address{1} << 40}) {
    Options with_base = options(64);
    with_base.base = base;
    HeapFixture heap(with_base);
    EXPECT_EQ(heap.malloc(64), base);
  }
}

TEST_P(HeaderlessOpening, WithBase0ARegionOfOneGranuleIsRefused) {
  Fault fault;
  for (const Size size : {Size{1}, Size{16}, Size{31}}) {
    EXPECT_EQ(open(size, 0, fault), nullptr) << size;
    EXPECT_EQ(fault.kind, FaultKind::invalid_size);
    EXPECT_EQ(fault.minimum, 32U);
  }
  fault = {};
  EXPECT_NE(open(32, 0, fault), nullptr);
  EXPECT_NE(open(16, 16, fault), nullptr);
  EXPECT_NE(open(16, std::nullopt, fault), nullptr);
}

// --- Refused options. ---------------------------------------------------------------------------

TEST_P(Opening, RefusesAnImpossibleSize) {
  for (const Size size : {Size{0}, Size{1}, Size{15}, largest_region + 1, Size{1} << 63, most}) {
    Fault fault;
    EXPECT_EQ(Heap::open(options(size), fault), nullptr);
    EXPECT_EQ(fault.kind, FaultKind::invalid_size);
    EXPECT_EQ(fault.argument, size);
  }
}

TEST_P(Opening, RefusesAnImpossibleBase) {
  for (const Address base : {Address{1}, Address{8}, Address{4097}, most - 15, most - 4095}) {
    Fault fault;
    EXPECT_EQ(open(4096, base, fault), nullptr) << base;
    EXPECT_EQ(fault.kind, FaultKind::invalid_base);
  }
}

TEST(OpeningByName, RefusesAnUnknownPolicy) {
  for (const char* name : {"", "first_fi", "first_fitt", "FIRST_FIT"}) {
    Options options;
    options.policy = name;
    Fault fault;
    EXPECT_EQ(Heap::open(options, fault), nullptr);
    EXPECT_EQ(fault.kind, FaultKind::unknown_policy);
  }
}

TEST(OpeningByName, RefusesTheSettingsOfAnotherPolicy) {
  for (const std::string_view name : policy_names()) {
    std::vector<Options> with_settings(3, variants_of::policy(name).options);
    with_settings[0].fit = Fit::first;
    with_settings[1].order = Order::address;
    with_settings[2].coalesce = true;
    constexpr std::array options = {"fit", "order", "coalesce"};
    for (std::size_t i = 0; i < options.size(); ++i) {
      Fault fault;
      EXPECT_EQ(Heap::open(with_settings[i], fault) != nullptr, name == "sequential_fit") << name;
      if (name == "sequential_fit") continue;
      EXPECT_EQ(fault.kind, FaultKind::unwanted_option) << name;
      EXPECT_STREQ(fault.field, options[i]) << name;
    }
  }
}

TEST_P(Opening, AClosedHeapRefusesEverythingButItsProperties) {
  HeapFixture heap(options());
  const Address base = heap->base();
  const Address payload = heap.malloc(16);
  EXPECT_FALSE(heap->closed());
  EXPECT_TRUE(heap.granted([&](Fault& f) { return heap->close(f); }));
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
  EXPECT_TRUE(heap.granted([&](Fault& f) { return heap->close(f); }))
      << "Closing twice is allowed.";
}

}  // namespace
}  // namespace glassheap
