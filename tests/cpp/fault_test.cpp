// The messages of faults: each has a name and a sentence that says what was found, what was
// expected, and what to do.

#include "glassheap/fault.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "printing.hpp"

namespace glassheap {
namespace {

std::vector<FaultKind> all_kinds() {
  std::vector<FaultKind> kinds;
  for (int i = 1; i <= static_cast<int>(FaultKind::heap_closed); ++i)
    kinds.push_back(static_cast<FaultKind>(i));
  return kinds;
}

TEST(Fault, EachHasANameAndASentenceOnOneLine) {
  for (const FaultKind kind : all_kinds()) {
    const std::string text = sentence({.kind = kind});
    EXPECT_STRNE(name_of(kind), "") << static_cast<int>(kind);
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_EQ(text.back(), '.') << text;
    EXPECT_GT(text.size(), 20U) << text;
  }
}

// No sentence is truncated, even with the largest number in every place.
TEST(Fault, TheLongestSentencesAreNotTruncated) {
  constexpr std::uint64_t most = ~std::uint64_t{0};
  for (const FaultKind kind : all_kinds()) {
    const Fault fault{.kind = kind,
                      .rule = Rule::neighbours,
                      .address = most - 1,
                      .owner = most,
                      .offset = most,
                      .expected = most,
                      .found = most,
                      .shortage = {most - 1, most, most, most}};
    EXPECT_EQ(sentence(fault).back(), '.') << sentence(fault);
  }
}

struct ExpectedParts {
  Fault fault;
  std::vector<std::string> parts;
};

// Each number in a fault appears in its sentence, with its meaning.
TEST(Fault, NamesItsNumbers) {
  const std::vector<ExpectedParts> expected = {
      {{.kind = FaultKind::out_of_memory, .shortage = {501, 402, 303, 2}},
       {"501 bytes", "402 are available", "2 free blocks", "offers 303"}},
      {{.kind = FaultKind::out_of_memory, .shortage = {501, 402, 402, 1}}, {"1 free block,"}},
      {{.kind = FaultKind::out_of_memory, .shortage = {501, 602, 702, 1, 256}},
       {"501 bytes at a multiple of 256:", "a smaller align"}},
      {{.kind = FaultKind::out_of_memory, .shortage = {501, 602, 501, 2}},
       {"501 bytes beside what comes before in the batch: 602"}},
      {{.kind = FaultKind::out_of_memory, .shortage = {0, 0, 0, 2}}, {"0 bytes: 0 are available"}},
      {{.kind = FaultKind::no_pages, .found = 77}, {"77 bytes"}},
      {{.kind = FaultKind::invalid_size, .least = 16, .expected = 99, .found = 7},
       {"16 to 99", "not 7"}},
      {{.kind = FaultKind::invalid_alignment, .expected = 64, .found = 24},
       {"up to 64, a quarter of this region,", "24 is not"}},
      {{.kind = FaultKind::invalid_alignment, .expected = 16, .found = 32},
       {"up to 16, a quarter of this region but no less than 16,"}},
      {{.kind = FaultKind::invalid_base, .found = 0x18}, {"multiple of 16", "0x18"}},
      {{.kind = FaultKind::foreign_pointer, .address = 0xABC}, {"0xabc is outside"}},
      {{.kind = FaultKind::misaligned_pointer, .address = 0xABC}, {"0xabc", "multiple of 16"}},
      {{.kind = FaultKind::interior_pointer, .address = 0xABC, .owner = 0xAB0},
       {"0xabc", "Pass 0xab0"}},
      {{.kind = FaultKind::double_free, .address = 0xABC}, {"0xabc is free already"}},
      {{.kind = FaultKind::stale_handle, .address = 0xABC}, {"stale", "0xabc"}},
      {{.kind = FaultKind::pinned, .address = 0xABC}, {"view", "0xabc"}},
      {{.kind = FaultKind::pinned}, {"view of the heap's region"}},
      {{.kind = FaultKind::bad_magic, .offset = 48, .expected = 0xDEADBEEF, .found = 0x41},
       {"offset 48", "0x41 instead of 0xDEADBEEF", "reset brings it back"}},
      {{.kind = FaultKind::header_corrupted,
        .rule = Rule::size,
        .offset = 48,
        .expected = 64,
        .found = 9},
       {"offset 48", "says 9 bytes", "holds 64", "reset brings it back"}},
      {{.kind = FaultKind::header_corrupted,
        .rule = Rule::seal,
        .offset = 48,
        .expected = 0xAB,
        .found = 9},
       {"offset 48", "0x0009 instead of 0x00AB", "reset brings it back"}},
      {{.kind = FaultKind::free_list_corrupted,
        .rule = Rule::next,
        .offset = 48,
        .expected = 5,
        .found = 6},
       {"offset 48", "'next'", "0x6 where 0x5", "reset brings it back"}},
  };
  for (const auto& [fault, parts] : expected) {
    for (const std::string& part : parts)
      EXPECT_NE(sentence(fault).find(part), std::string::npos)
          << sentence(fault) << " lacks " << part;
  }
}

// A binding clamps a number beyond 64 bits to the largest one: the sentence must not claim that the
// caller passed that number.
TEST(Fault, DoesNotPresentAClampedNumberAsTheRequest) {
  constexpr std::uint64_t most = ~std::uint64_t{0};
  const Fault size{.kind = FaultKind::out_of_memory, .shortage = {most, 1, 1, 1}};
  EXPECT_NE(sentence(size).find("or more"), std::string::npos) << sentence(size);
  const Fault place{.kind = FaultKind::foreign_pointer, .address = most};
  EXPECT_EQ(sentence(place).find("0xffff"), std::string::npos) << sentence(place);
}

TEST(Fault, CorruptionIsDistinguishedFromMisuse) {
  for (const FaultKind kind : all_kinds()) {
    const bool damage = kind == FaultKind::bad_magic || kind == FaultKind::header_corrupted ||
                        kind == FaultKind::free_list_corrupted ||
                        kind == FaultKind::overflow_detected || kind == FaultKind::write_after_free;
    EXPECT_EQ(is_corruption(kind), damage) << static_cast<int>(kind);
  }
}

TEST(Fault, EveryRuleHasAName) {
  for (int i = 1; i <= static_cast<int>(Rule::sentinel); ++i)
    EXPECT_STRNE(name_of(static_cast<Rule>(i)), "") << i;
}

}  // namespace
}  // namespace glassheap
