// Each check in isolation, where another check would hide that it is missing. An overwritten header
// fails its seal too, whatever else is wrong with it; so here the header is tried with each
// possible seal, one of which is valid. And the block map, which no caller can reach, is built by
// hand with states that a sound heap never has.

#include <gtest/gtest.h>

#include <limits>

#include "check/checker.hpp"
#include "heap_fixture.hpp"

namespace glassheap {
namespace {

class EverySeal : public EveryPolicy {
 protected:
  // Writes `header` in front of `payload` with each seal in turn. Returns true if the heap accepts
  // one of them.
  [[nodiscard]] bool is_accepted_with_any_seal(Address payload, header_t header) {
    for (unsigned seal = 0; seal <= std::numeric_limits<std::uint16_t>::max(); ++seal) {
      header.seal = static_cast<std::uint16_t>(seal);
      std::memcpy(heap_.at(payload - sizeof header), &header, sizeof header);
      if (heap_.contains(payload)) return true;
    }
    return false;
  }
  [[nodiscard]] header_t header_of(Address payload) {
    header_t header;
    std::memcpy(&header, heap_.at(payload - sizeof header), sizeof header);
    return header;
  }

  HeapFixture heap_{options(1024)};
};
INSTANTIATE_TEST_SUITE_P(Policies, EverySeal, ::testing::ValuesIn(variants(has_headers)), by_name);

TEST_P(EverySeal, OnAnotherMagicNumberIsRefused) {
  const Address payload = heap_.malloc(100);
  header_t header = header_of(payload);
  header.magic ^= 1;
  EXPECT_FALSE(is_accepted_with_any_seal(payload, header));
}

TEST_P(EverySeal, OnASizeOfAnotherExtentIsRefused) {
  const Address payload = heap_.malloc(100);
  header_t header = header_of(payload);
  for (const Size size : {Size{0}, Size{300}, largest_region + 100, ~Size{0} - 15}) {
    header.size = size;
    EXPECT_FALSE(is_accepted_with_any_seal(payload, header)) << size;
  }
}

// Another size of the same extent is valid for free; but check() finds that the sums do not match.
TEST_P(EverySeal, OnASizeOfTheSameExtentIsFoundByCheck) {
  const Address payload = heap_.malloc(100);
  header_t header = header_of(payload);
  header.size = 99;
  if (!is_accepted_with_any_seal(payload, header))
    GTEST_SKIP() << "No seal of 65,536 fits: a rare key.";
  const Findings findings = heap_.check();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].fault.kind, FaultKind::header_corrupted);
  EXPECT_EQ(findings[0].fault.rule, Rule::counters);
  EXPECT_EQ(findings[0].fault.expected, 100U);
  EXPECT_EQ(findings[0].fault.found, 99U);
}

// --- The details of a fault. --------------------------------------------------------------------

class Diagnoses : public EverySeal {};
INSTANTIATE_TEST_SUITE_P(Policies, Diagnoses, ::testing::ValuesIn(variants(has_headers)), by_name);

TEST_P(Diagnoses, NameTheSizeIfItDoesNotFitTheExtent) {
  const Address payload = heap_.malloc(100);
  header_t header = header_of(payload);
  header.size = 300;
  std::memcpy(heap_.at(payload - sizeof header), &header, sizeof header);
  const Fault fault = heap_.refused_free(payload);
  EXPECT_EQ(fault.rule, Rule::size);
  EXPECT_EQ(fault.expected, extent(100) - front());
  EXPECT_EQ(fault.found, 300U);
}

TEST_P(Diagnoses, NameTheSealIfTheSizeFits) {
  const Address payload = heap_.malloc(100);
  header_t header = header_of(payload);
  const std::uint16_t seal = header.seal;
  header.seal ^= 1;
  std::memcpy(heap_.at(payload - sizeof header), &header, sizeof header);
  const Fault fault = heap_.refused_free(payload);
  EXPECT_EQ(fault.rule, Rule::seal);
  EXPECT_EQ(fault.expected, seal);
  EXPECT_EQ(fault.found, header.seal);
}

// The start of a live block is also the payload address of an empty block that ended there and was
// merged into the free block before it. There was no such block, so the pointer is not a double
// free.
TEST_P(Diagnoses, OfTheFrontOfALiveBlockBehindAFreeOneIsInteriorPointer) {
  const Address left = heap_.malloc(16);
  const Address right = heap_.malloc(16);
  heap_.free(left);
  const Fault fault = heap_.refused_free(right - front());
  EXPECT_EQ(fault.kind, FaultKind::interior_pointer);
  EXPECT_EQ(fault.owner, right);
}

// An empty block was freed and merged, and its memory was allocated again as part of another block.
// Its pointer is not a double free any more: it points into the block that starts there.
TEST(Diagnosis, OfAnEmptyBlockIsNoDoubleFreeOnceItsPlaceIsLiveAgain) {
  HeapFixture heap(sized(1024));
  const Address left = heap.malloc(16);
  const Address empty = heap.malloc(0);
  const Address right = heap.malloc(16);
  heap.free(left);
  heap.free(empty);
  EXPECT_EQ(heap.refused_free(empty).kind, FaultKind::double_free);
  ASSERT_EQ(heap.malloc(32), left);
  const Fault fault = heap.refused_free(empty);
  EXPECT_EQ(fault.kind, FaultKind::interior_pointer);
  EXPECT_EQ(fault.owner, right);
}

// --- A block map that no heap makes. ------------------------------------------------------------

class HandmadeMap : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<Rule> broken_rules(bool none_touch) const {
    Faults faults;
    Checker(bytes_, map_).inspect(faults, none_touch);
    std::vector<Rule> rules;
    for (const Fault& fault : faults) rules.push_back(fault.rule);
    return rules;
  }

  alignas(16) std::byte region_[256] = {};
  BlockBytes bytes_{region_, Layout{.front = 0}, 0};
  BlockMap map_{sizeof region_};
};

TEST_F(HandmadeMap, WithAdjacentFreeBlocksIsFoundWhereNoneMayTouch) {
  map_.add_free({0, 64});
  map_.add_free({64, 64});
  map_.add_live({128, 128});
  EXPECT_EQ(broken_rules(true), std::vector{Rule::neighbours});
  EXPECT_TRUE(broken_rules(false).empty());
}

// A sound node leaves the Fault empty: the caller may use one Fault for several nodes.
TEST_F(HandmadeMap, HasNoFaultWhereTheNodeAgrees) {
  map_.add_free({0, 64});
  map_.add_live({64, 192});
  bytes_.write_node({0, 64}, 128, nowhere);
  Fault fault;
  EXPECT_TRUE(Checker(bytes_, map_).node(0, 128, nowhere, fault));
  EXPECT_FALSE(fault);
  EXPECT_FALSE(Checker(bytes_, map_).node(0, 64, nowhere, fault));
  EXPECT_EQ(fault.rule, Rule::next);
}

TEST_F(HandmadeMap, WithoutABlockAtTheRegionsStartIsFound) {
  map_.add_live({16, sizeof region_ - 16});
  EXPECT_EQ(broken_rules(true), std::vector{Rule::coverage});
}

}  // namespace
}  // namespace glassheap
