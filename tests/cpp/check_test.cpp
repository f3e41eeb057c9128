// Each check by itself, where another one would hide that it is gone. A header that was written
// over fails its seal too, whatever else is wrong with it; so here it is given every seal there is,
// and one of them is the right one. And the block map, which no caller can reach, is set up by hand
// with what a sound heap never has.

#include <gtest/gtest.h>

#include <limits>

#include "check/checker.hpp"
#include "rig.hpp"

namespace glassheap {
namespace {

class EverySeal : public EveryPolicy {
 protected:
  // Writes `header` in front of `payload` with each seal in turn, until the heap believes it.
  [[nodiscard]] bool is_ever_believed(Address payload, header_t header) {
    for (unsigned seal = 0; seal <= std::numeric_limits<std::uint16_t>::max(); ++seal) {
      header.seal = static_cast<std::uint16_t>(seal);
      std::memcpy(rig_.at(payload - sizeof header), &header, sizeof header);
      if (rig_.contains(payload)) return true;
    }
    return false;
  }
  [[nodiscard]] header_t header_of(Address payload) {
    header_t header;
    std::memcpy(&header, rig_.at(payload - sizeof header), sizeof header);
    return header;
  }

  Rig rig_{options(1024)};
};
INSTANTIATE_TEST_SUITE_P(Policies, EverySeal, ::testing::ValuesIn(variants(has_headers)), by_name);

TEST_P(EverySeal, OnAnotherMagicNumberIsRefused) {
  const Address payload = rig_.malloc(100);
  header_t header = header_of(payload);
  header.magic ^= 1;
  EXPECT_FALSE(is_ever_believed(payload, header));
}

TEST_P(EverySeal, OnASizeOfAnotherExtentIsRefused) {
  const Address payload = rig_.malloc(100);
  header_t header = header_of(payload);
  for (const Size size : {Size{0}, Size{300}, largest_region + 100, ~Size{0} - 15}) {
    header.size = size;
    EXPECT_FALSE(is_ever_believed(payload, header)) << size;
  }
}

// Of the same extent, the size is as good as the one that was there, to free; but the sums know.
TEST_P(EverySeal, OnASizeOfTheSameExtentIsFoundByCheck) {
  const Address payload = rig_.malloc(100);
  header_t header = header_of(payload);
  header.size = 99;
  if (!is_ever_believed(payload, header)) GTEST_SKIP() << "No seal of 65,536 fits: a rare key.";
  const Findings findings = rig_.check();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, FaultKind::header_corrupted);
  EXPECT_EQ(findings[0].rule, Rule::counters);
  EXPECT_EQ(findings[0].expected, 100U);
  EXPECT_EQ(findings[0].found, 99U);
}

// --- What a verdict says beside its name. -------------------------------------------------------

class Verdicts : public EverySeal {};
INSTANTIATE_TEST_SUITE_P(Policies, Verdicts, ::testing::ValuesIn(variants(has_headers)), by_name);

TEST_P(Verdicts, NameTheSizeWhereItIsAnotherExtents) {
  const Address payload = rig_.malloc(100);
  header_t header = header_of(payload);
  header.size = 300;
  std::memcpy(rig_.at(payload - sizeof header), &header, sizeof header);
  const Fault fault = rig_.refused_free(payload);
  EXPECT_EQ(fault.rule, Rule::size);
  EXPECT_EQ(fault.expected, extent(100) - front());
  EXPECT_EQ(fault.found, 300U);
}

TEST_P(Verdicts, NameTheSealWhereTheSizeFits) {
  const Address payload = rig_.malloc(100);
  header_t header = header_of(payload);
  const std::uint16_t seal = header.seal;
  header.seal ^= 1;
  std::memcpy(rig_.at(payload - sizeof header), &header, sizeof header);
  const Fault fault = rig_.refused_free(payload);
  EXPECT_EQ(fault.rule, Rule::seal);
  EXPECT_EQ(fault.expected, seal);
  EXPECT_EQ(fault.found, header.seal);
}

// The front of a live block is where a block without payload would have had its pointer that was
// merged into what is free before it. None was: so the pointer is no double free.
TEST_P(Verdicts, OnTheFrontOfALiveBlockBehindAFreeOneIsThatItLeadsIntoIt) {
  const Address left = rig_.malloc(16);
  const Address right = rig_.malloc(16);
  rig_.free(left);
  const Fault fault = rig_.refused_free(right - front());
  EXPECT_EQ(fault.kind, FaultKind::interior_pointer);
  EXPECT_EQ(fault.owner, right);
}

// A block without payload was freed, merged, and its place handed out again as a part of another
// block: a pointer to it is no double free any more, but leads into the block that starts there.
TEST(Verdict, OnABlockWithoutPayloadEndsWhenItsPlaceIsLiveAgain) {
  Rig rig(sized(1024));
  const Address left = rig.malloc(16);
  const Address empty = rig.malloc(0);
  const Address right = rig.malloc(16);
  rig.free(left);
  rig.free(empty);
  EXPECT_EQ(rig.refused_free(empty).kind, FaultKind::double_free);
  ASSERT_EQ(rig.malloc(32), left);
  const Fault fault = rig.refused_free(empty);
  EXPECT_EQ(fault.kind, FaultKind::interior_pointer);
  EXPECT_EQ(fault.owner, right);
}

// --- A map as no heap makes it. ----------------------------------------------------------------

class MapByHand : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<Rule> broken_rules(bool none_touch) const {
    Findings findings;
    Checker(bytes_, map_).inspect(findings, none_touch);
    std::vector<Rule> rules;
    for (const Fault& finding : findings) rules.push_back(finding.rule);
    return rules;
  }

  alignas(16) std::byte region_[256] = {};
  BlockBytes bytes_{region_, Layout{.front = 0}, 0};
  BlockMap map_{sizeof region_};
};

TEST_F(MapByHand, WhoseFreeBlocksTouchIsFoundWhereNoneMay) {
  map_.add_free({0, 64});
  map_.add_free({64, 64});
  map_.add_live({128, 128});
  EXPECT_EQ(broken_rules(true), std::vector{Rule::neighbours});
  EXPECT_TRUE(broken_rules(false).empty());
}

// A node that is sound is no fault at all: whoever asks may have asked of others before.
TEST_F(MapByHand, HasNoFaultWhereANodeSaysWhatItSays) {
  map_.add_free({0, 64});
  map_.add_live({64, 192});
  bytes_.write_node({0, 64}, 128, nowhere);
  Fault fault;
  EXPECT_TRUE(Checker(bytes_, map_).node(0, 128, nowhere, fault));
  EXPECT_FALSE(fault);
  EXPECT_FALSE(Checker(bytes_, map_).node(0, 64, nowhere, fault));
  EXPECT_EQ(fault.rule, Rule::next);
}

TEST_F(MapByHand, InWhichNoBlockStartsTheRegionIsFound) {
  map_.add_live({16, sizeof region_ - 16});
  EXPECT_EQ(broken_rules(true), std::vector{Rule::coverage});
}

}  // namespace
}  // namespace glassheap
