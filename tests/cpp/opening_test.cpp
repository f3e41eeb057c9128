// The beginning and the end of a heap: what it is when it is opened, what is refused then, and what
// is left of it when it is closed.

#include <gtest/gtest.h>

#include <limits>

#include "rig.hpp"

namespace glassheap {
namespace {

constexpr Size most = std::numeric_limits<Size>::max();

class Opening : public EveryPolicy {
 protected:
  static std::unique_ptr<Heap> open(Size size, std::optional<Address> base, Fault& fault) {
    Options how = options(size);
    how.base = base;
    return Heap::open(how, fault);
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Opening, ::testing::ValuesIn(variants()), by_name);

class OpeningInOnePiece : public Opening {};
INSTANTIATE_TEST_SUITE_P(Policies, OpeningInOnePiece, ::testing::ValuesIn(variants(cuts_anywhere)),
                         by_name);

class OpeningBare : public Opening {};
INSTANTIATE_TEST_SUITE_P(Policies, OpeningBare,
                         ::testing::ValuesIn(variants([](const Options& options) {
                           return !options.headers;
                         })),
                         by_name);

TEST_P(OpeningInOnePiece, AFreshHeapIsOneFreeBlock) {
  for (const Size size : {Size{16}, Size{17}, Size{160}, Size{4096}, Size{100000}}) {
    Rig rig(options(size));
    const Size rounded = (size + 15) / 16 * 16;
    const Address base = rig->base();
    EXPECT_EQ(rig->size(), rounded);
    EXPECT_EQ(base, rig->address());
    EXPECT_EQ(rig.free_list(), (std::vector<FreeBlock>{{base, rounded - front()}}));
    EXPECT_EQ(
        rig.walk(),
        (std::vector<BlockInfo>{{base, base + front(), rounded - front(), rounded, false, 0}}));
    EXPECT_TRUE(rig.check().empty());
  }
}

TEST_P(Opening, AFreshHeapIsFreeFromItsFirstByteToItsLast) {
  for (Size size = 16; size < 1500; size += 16) {
    Rig rig(options(size));
    Offset end = rig->base();
    for (const BlockInfo& block : rig.walk()) {
      ASSERT_FALSE(block.live);
      ASSERT_EQ(block.start, end);
      end += block.extent;
    }
    ASSERT_EQ(end, rig->base() + size);
    ASSERT_TRUE(rig.check().empty());
  }
}

// --- No payload has the address 0. --------------------------------------------------------------

TEST_P(Opening, NoPayloadHasTheAddress0) {
  Options counted_from_0 = options(96);
  counted_from_0.base = 0;
  Rig rig(counted_from_0);
  for (Size granules = usable_region(counted_from_0) / extent(0); granules > 0; --granules)
    EXPECT_NE(rig.malloc(0), 0U);
  EXPECT_TRUE(rig.free_list().empty());
  EXPECT_FALSE(rig.contains(0));
}

// Without headers the first payload would have it; so the first granule belongs to nobody.
TEST_P(OpeningBare, WithBase0TheFirstGranuleIsLeftAlone) {
  Options counted_from_0 = options(80);
  counted_from_0.base = 0;
  Rig rig(counted_from_0);
  const std::vector<BlockInfo> walk = {{16, 16, 64, 64, false, 0}};
  EXPECT_EQ(rig.walk(), walk);
  EXPECT_EQ(rig->size(), 80U);
  EXPECT_EQ(rig.stats().size, 80U);
  EXPECT_EQ(rig.stats().available, 64U);
  EXPECT_EQ(rig.stats().used, 0U);
  EXPECT_EQ(rig.malloc(10), 16U);
  EXPECT_EQ(rig.stats().used, 32U);
  EXPECT_EQ(rig.at(16), rig.region() + 16);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(rig.region()[i], std::byte{0}) << i;
}

TEST_P(OpeningBare, WithAnotherBaseTheFirstGranuleIsUsed) {
  for (const Address base : {Address{16}, Address{1} << 40}) {
    Options counted = options(64);
    counted.base = base;
    Rig rig(counted);
    EXPECT_EQ(rig.malloc(64), base);
  }
}

TEST_P(OpeningBare, WithBase0ARegionOfOneGranuleIsRefused) {
  Fault fault;
  for (const Size size : {Size{1}, Size{16}, Size{31}}) {
    EXPECT_EQ(open(size, 0, fault), nullptr) << size;
    EXPECT_EQ(fault.kind, FaultKind::invalid_size);
    EXPECT_EQ(fault.least, 32U);
  }
  fault = {};
  EXPECT_NE(open(32, 0, fault), nullptr);
  EXPECT_NE(open(16, 16, fault), nullptr);
  EXPECT_NE(open(16, std::nullopt, fault), nullptr);
}

// --- What is refused. ---------------------------------------------------------------------------

TEST_P(Opening, RefusesARegionThatCannotBe) {
  for (const Size size : {Size{0}, Size{1}, Size{15}, largest_region + 1, Size{1} << 63, most}) {
    Fault fault;
    EXPECT_EQ(Heap::open(options(size), fault), nullptr);
    EXPECT_EQ(fault.kind, FaultKind::invalid_size);
    EXPECT_EQ(fault.found, size);
  }
}

TEST_P(Opening, RefusesABaseThatNoPayloadCouldBeCountedFrom) {
  for (const Address base : {Address{1}, Address{8}, Address{4097}, most - 15, most - 4095}) {
    Fault fault;
    EXPECT_EQ(open(4096, base, fault), nullptr) << base;
    EXPECT_EQ(fault.kind, FaultKind::invalid_base);
  }
}

TEST(OpeningByName, RefusesAPolicyThatIsNot) {
  for (const char* name : {"", "first_fi", "first_fitt", "FIRST_FIT"}) {
    Options options;
    options.policy = name;
    Fault fault;
    EXPECT_EQ(Heap::open(options, fault), nullptr);
    EXPECT_EQ(fault.kind, FaultKind::unknown_policy);
  }
}

// Which option it was, for the sentence: 0 fit, 1 order, 2 coalesce.
TEST(OpeningByName, RefusesTheSettingsOfAnotherPolicy) {
  for (const std::string_view name : policy_names()) {
    std::vector<Options> told(3, variants_of::policy(name).options);
    told[0].fit = Fit::first;
    told[1].order = Order::address;
    told[2].coalesce = true;
    for (std::size_t i = 0; i < 3; ++i) {
      Fault fault;
      EXPECT_EQ(Heap::open(told[i], fault) != nullptr, name == "sequential_fit") << name;
      if (name == "sequential_fit") continue;
      EXPECT_EQ(fault.kind, FaultKind::unwanted_option) << name;
      EXPECT_EQ(fault.found, i) << name;
    }
  }
}

TEST_P(Opening, AClosedHeapRefusesEverythingButItsName) {
  Rig rig(options());
  const Address base = rig->base();
  const Address payload = rig.malloc(16);
  EXPECT_FALSE(rig->closed());
  EXPECT_TRUE(rig.granted([&](Fault& f) { return rig->close(f); }));
  EXPECT_TRUE(rig->closed());
  const auto closed = [&](auto call) {
    Fault fault;
    call(fault);
    EXPECT_EQ(fault.kind, FaultKind::heap_closed);
  };
  closed([&](Fault& f) { return rig->malloc(1, 16, f); });
  closed([&](Fault& f) { return rig->calloc(1, 1, f); });
  closed([&](Fault& f) { return rig->realloc(payload, 1, 16, f); });
  closed([&](Fault& f) { return rig->free(payload, f); });
  closed([&](Fault& f) { return rig->free(0, f); });
  closed([&](Fault& f) { return rig->usable_size(payload, f); });
  closed([&](Fault& f) { return rig->contains(payload, f); });
  closed([&](Fault& f) { return rig->walk(f); });
  closed([&](Fault& f) { return rig->free_list(f); });
  closed([&](Fault& f) { return rig->check(f); });
  closed([&](Fault& f) { return rig->stats(f).size; });
  closed([&](Fault& f) { return rig->available_memory(f); });
  closed([&](Fault& f) { return rig->largest_free(f); });
  closed([&](Fault& f) { return rig->live_blocks(f); });
  closed([&](Fault& f) { return rig->reset(f); });
  EXPECT_EQ(rig->base(), base);
  EXPECT_EQ(rig->size(), 4096U);
  EXPECT_TRUE(rig.granted([&](Fault& f) { return rig->close(f); })) << "Closing twice is allowed.";
}

}  // namespace
}  // namespace glassheap
