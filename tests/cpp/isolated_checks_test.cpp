// Each check in isolation, where another check would hide that it is missing. An overwritten header
// fails its seal too, whatever else is wrong with it; so here the header is tried with each
// possible seal, one of which is valid, or it is a sound one in the wrong place. And the block map,
// which no caller can reach, is built by hand with states that a sound heap never has.

#include <gtest/gtest.h>

#include <limits>

#include "check/checker.hpp"
#include "damaged_heap.hpp"
#include "every_policy.hpp"

namespace glassheap {
namespace {

class SealedHeader : public EveryPolicy {
 protected:
  [[nodiscard]] header_t header_of(Address payload) const {
    return heap_.read<header_t>(payload - sizeof(header_t));
  }
  void forge(Address payload, const header_t& header) {
    heap_.write_number(payload - sizeof header, header);
  }
  // Expects that a free of the payload behind this header names the rule that it breaks.
  void expect_named(const header_t& wrong, Rule rule, std::uint64_t expected, std::uint64_t found) {
    forge(payload_, wrong);
    heap_.free(payload_);
    EXPECT_EQ(heap_.fault().rule, rule);
    EXPECT_EQ(heap_.fault().expected, expected);
    EXPECT_EQ(heap_.fault().found, found);
  }
  // Writes `header` in front of the payload with each seal in turn. Returns true if the heap
  // accepts one of them. The model is not told.
  [[nodiscard]] bool is_accepted_with_any_seal(header_t header) {
    for (unsigned seal = 0; seal <= std::numeric_limits<std::uint16_t>::max(); ++seal) {
      header.seal = static_cast<std::uint16_t>(seal);
      std::memcpy(heap_.at(payload_ - sizeof header), &header, sizeof header);
      Fault fault;
      if (heap_->contains(payload_, fault)) return true;
    }
    return false;
  }

  CheckedHeap heap_{options(1024)};
  Address payload_ = heap_.malloc(100);
  header_t header_ = header_of(payload_);
};
GLASSHEAP_FOR_EVERY(SealedHeader, has_headers);

TEST_P(SealedHeader, WithAnotherMagicNumberIsRefusedUnderEverySeal) {
  header_.magic ^= 1;
  EXPECT_FALSE(is_accepted_with_any_seal(header_));
}

// Nor is such a size reported: a reader would read beyond the block.
TEST_P(SealedHeader, WithASizeOfAnotherExtentIsRefusedUnderEverySeal) {
  for (const Size size : {Size{0}, Size{113}, largest_region + 100, ~Size{0} - 15}) {
    header_.size = size;
    EXPECT_FALSE(is_accepted_with_any_seal(header_)) << size;
    EXPECT_EQ(heap_.view().blocks.front().size, extent(100) - front()) << size;
  }
}

// Another size of the same extent is valid for free; but check() finds that the sums do not match.
TEST_P(SealedHeader, WithASizeOfTheSameExtentIsFoundByCheck) {
  header_.size = 99;
  if (!is_accepted_with_any_seal(header_)) GTEST_SKIP() << "No seal of 65,536 fits: a rare key.";
  Fault fault;
  const Findings findings = heap_->check(fault);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].fault.kind, FaultKind::header_corrupted);
  EXPECT_EQ(findings[0].fault.rule, Rule::counters);
  EXPECT_EQ(findings[0].fault.expected, 100U);
  EXPECT_EQ(findings[0].fault.found, 99U);
}

// A wrong size is named as such if it does not fit the extent; if it does, the seal is.
TEST_P(SealedHeader, HasItsSizeNamedOrElseItsSeal) {
  header_t wrong = header_;
  wrong.size = 300;
  expect_named(wrong, Rule::size, extent(100) - front(), 300);
  heap_.reset();
  ASSERT_EQ(heap_.malloc(100), payload_);
  const header_t now = wrong = header_of(payload_);
  wrong.seal ^= 1;
  expect_named(wrong, Rule::seal, now.seal, wrong.seal);
}

// --- Forged headers: made up in user data, copied, kept from an earlier block, overwritten. ------

// A header forged in a payload, with the right magic number, does not make a block.
TEST_P(SealedHeader, InUserDataMakesNoBlock) {
  forge(payload_ + 48, header_);
  heap_.free(payload_ + 48);
  EXPECT_EQ(heap_.fault().kind, FaultKind::interior_pointer);
  heap_.inspect();
}

// A sound header, copied in front of another block of the same size: the seal includes the offset.
TEST_P(SealedHeader, CopiedFromAnotherBlockIsDetected) {
  int detected = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    heap_.reset();
    const std::vector<Address> blocks = heap_.malloc_many({64, 64});
    forge(blocks[1], header_of(blocks[0]));
    heap_.free(blocks[1]);
    detected += heap_.fault().kind == FaultKind::header_corrupted ? 1 : 0;
  }
  EXPECT_GE(detected, 19) << "A copied header may fit once in 65,536 times.";
}

// The header of an earlier block at this address, written back: its seal is valid for its old
// serial, but the block's extent has changed.
TEST_P(SealedHeader, KeptFromAnEarlierBlockIsRefusedIfTheExtentHasChanged) {
  heap_.reset();
  ASSERT_EQ(heap_.malloc(200), payload_);
  forge(payload_, header_);
  heap_.free(payload_);
  EXPECT_EQ(heap_.fault().kind, FaultKind::header_corrupted);
}

// An overflow of the left neighbour, or an underflow, as real programs have it.
TEST_P(SealedHeader, OverwrittenByAnOverflowIsFoundAtFree) {
  for (Size over = 1; over <= 16; ++over) {
    heap_.reset();
    const std::vector<Address> blocks = heap_.malloc_many({32, 32});
    ASSERT_EQ(blocks[0] + extent(32), blocks[1]);
    heap_.write(blocks[0], std::vector(extent(32) - 16 + over, std::byte{'A'}));
    heap_.free(blocks[1]);
    EXPECT_TRUE(is_corruption(heap_.fault().kind)) << over;
    EXPECT_EQ(heap_.fault().offset, blocks[1] - 16 - heap_->base());
  }
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

TEST_F(HandmadeMap, WithoutABlockAtTheRegionsStartIsFound) {
  map_.add_live({16, sizeof region_ - 16});
  EXPECT_EQ(broken_rules(true), std::vector{Rule::coverage});
}

}  // namespace
}  // namespace glassheap
