// The beginning and the end of a heap: what it is when it is opened, what is refused then, and what
// is left of it when it is closed.

#include <gtest/gtest.h>

#include <limits>

#include "rig.hpp"

namespace glassheap {
namespace {

constexpr Size most = std::numeric_limits<Size>::max();

class Opening : public EveryPolicy {};
INSTANTIATE_TEST_SUITE_P(Policies, Opening, ::testing::ValuesIn(policy_names()), by_name);

TEST_P(Opening, AFreshHeapIsOneFreeBlock) {
  for (const Size size : {Size{16}, Size{17}, Size{160}, Size{4096}, Size{100000}}) {
    Rig rig(options(size));
    const Size rounded = (size + 15) / 16 * 16;
    EXPECT_EQ(rig->size(), rounded);
    EXPECT_EQ(rig->base(), rig->address());
    EXPECT_EQ(rig.free_list(), (std::vector<FreeBlock>{{rig->base(), rounded - 16}}));
    EXPECT_EQ(
        rig.walk(),
        (std::vector<BlockInfo>{{rig->base(), rig->base() + 16, rounded - 16, rounded, false, 0}}));
    EXPECT_TRUE(rig.check().empty());
  }
}

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
    Options with_base = options();
    with_base.base = base;
    Fault fault;
    EXPECT_EQ(Heap::open(with_base, fault), nullptr) << base;
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
