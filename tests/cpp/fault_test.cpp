// The messages of faults: each has a name and a sentence that says what was found, what was
// expected, and what to do.

#include "glassheap/fault.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "printing.hpp"

namespace glassheap {
namespace {

std::vector<FaultKind> all_kinds() {
  std::vector<FaultKind> kinds;
  for (int i = 1; i <= static_cast<int>(FaultKind::system_error); ++i)
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
                      .minimum = 65535,
                      .address = most - 1,
                      .owner = most,
                      .argument = most - 1,
                      .maximum = most,
                      .field = "an option with a name of some length",
                      .offset = most,
                      .expected = most,
                      .found = most,
                      .shortage = {most, most, most, most}};
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
      {{.kind = FaultKind::out_of_memory, .argument = 501, .shortage = {402, 303, 2}},
       {"501 bytes", "402 are available", "2 free blocks", "offers 303"}},
      {{.kind = FaultKind::out_of_memory, .argument = 501, .shortage = {402, 402, 1}},
       {"1 free block,"}},
      {{.kind = FaultKind::out_of_memory, .argument = 501, .shortage = {602, 702, 1, 256}},
       {"501 bytes at a multiple of 256:", "a smaller align"}},
      {{.kind = FaultKind::out_of_memory, .argument = 501, .shortage = {602, 501, 2}},
       {"501 bytes beside the earlier sizes of the batch: 602"}},
      {{.kind = FaultKind::out_of_memory, .shortage = {0, 0, 2}}, {"0 bytes: 0 are available"}},
      {{.kind = FaultKind::no_pages, .argument = 77}, {"77 bytes"}},
      {{.kind = FaultKind::invalid_size, .minimum = 16, .argument = 7, .maximum = 99},
       {"16 to 99", "not 7"}},
      {{.kind = FaultKind::invalid_alignment, .argument = 24, .maximum = 64},
       {"up to 64, a quarter of this region,", "24 is not"}},
      {{.kind = FaultKind::invalid_alignment, .argument = 32, .maximum = 16},
       {"up to 16, a quarter of this region but no less than 16,"}},
      {{.kind = FaultKind::invalid_base, .argument = 0x18}, {"multiple of 16", "0x18"}},
      {{.kind = FaultKind::unwanted_option, .field = "order"}, {"the option 'order'"}},
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
      {{.kind = FaultKind::header_corrupted, .rule = Rule::counters, .expected = 64, .found = 60},
       {"add up to 60 bytes", "has counted 64", "reset brings it back"}},
      {{.kind = FaultKind::header_corrupted, .rule = Rule::coverage, .offset = 48, .expected = 1},
       {"offset 48", "'coverage'", "0x0 where 0x1", "reset brings it back"}},
      {{.kind = FaultKind::overflow_detected,
        .rule = Rule::redzone,
        .offset = 48,
        .expected = 20,
        .found = 22},
       {"offset 48 has 20 bytes", "index 22", "reset brings it back"}},
      {{.kind = FaultKind::overflow_detected, .rule = Rule::sentinel, .expected = 64, .found = 65},
       {"region has 64 bytes", "offset 65"}},
      {{.kind = FaultKind::write_after_free,
        .rule = Rule::fill,
        .offset = 48,
        .expected = 0xDD,
        .found = 7},
       {"offset 48", "0x07 instead of 0xDD", "reset brings it back"}},
      {{.kind = FaultKind::bad_image, .field = "checksum"}, {"the field 'checksum'"}},
      {{.kind = FaultKind::too_many_holders, .maximum = 4096}, {"4096 references"}},
      {{.kind = FaultKind::system_error, .system_error = ENOSPC}, {std::strerror(ENOSPC)}},
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
  for (const FaultKind kind :
       {FaultKind::out_of_memory, FaultKind::no_pages, FaultKind::invalid_size,
        FaultKind::invalid_alignment, FaultKind::invalid_base}) {
    const std::string text = sentence({.kind = kind, .argument = most});
    EXPECT_NE(text.find("or more"), std::string::npos) << text;
    EXPECT_EQ(text.find("18446744073709551615"), std::string::npos) << text;
  }
  const Fault place{.kind = FaultKind::foreign_pointer, .address = most};
  EXPECT_EQ(sentence(place).find("0xffff"), std::string::npos) << sentence(place);
}

// A binding passes the text of a number that 64 bits do not hold.
TEST(Fault, HasTheTextOfItsArgumentIfOneIsGiven) {
  const Fault align{.kind = FaultKind::invalid_alignment, .maximum = 64};
  EXPECT_EQ(sentence(align, "-2"),
            "align must be a power of two up to 64, a quarter of this region, and -2 is not.");
}

TEST(Fault, OfEachKindIsInOneCategory) {
  for (const FaultKind kind : all_kinds())
    EXPECT_NE(category_of(kind), FaultCategory::none) << static_cast<int>(kind);
  EXPECT_EQ(category_of(FaultKind::none), FaultCategory::none);
  EXPECT_EQ(category_of(FaultKind::no_pages), FaultCategory::request);
  EXPECT_EQ(category_of(FaultKind::stale_handle), FaultCategory::pointer);
  EXPECT_EQ(category_of(FaultKind::pinned), FaultCategory::state);
  EXPECT_EQ(category_of(FaultKind::bad_image), FaultCategory::sharing);
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

TEST(Fault, ARuleNamesThePartThatWasOverwritten) {
  EXPECT_EQ(damaged_part(Rule::magic), DamagedPart::front);
  EXPECT_EQ(damaged_part(Rule::prev), DamagedPart::front);
  EXPECT_EQ(damaged_part(Rule::redzone), DamagedPart::back);
  for (const Rule rule : {Rule::none, Rule::head, Rule::listed, Rule::counters, Rule::fill})
    EXPECT_EQ(damaged_part(rule), DamagedPart::other) << name_of(rule);
}

// Every kind of damage with every rule, also those that no program can provoke.
TEST(Fault, OfCorruptionNamesItsPlaceWhateverTheRule) {
  for (const FaultKind kind : all_kinds()) {
    for (int i = 1; is_corruption(kind) && i < static_cast<int>(Rule::sentinel); ++i) {
      const Rule rule = static_cast<Rule>(i);
      if (rule == Rule::counters && kind == FaultKind::header_corrupted) continue;
      const std::string text =
          sentence({.kind = kind, .rule = rule, .offset = 4032, .expected = 7, .found = 9});
      EXPECT_NE(text.find("4032"), std::string::npos) << text;
      EXPECT_EQ(text.back(), '.') << text;
    }
  }
}

// --- The cause of a shortage. ------------------------------------------------------------------

ShortageCause cause(Size requested, const Shortage& shortage) {
  return cause_of({.kind = FaultKind::out_of_memory, .argument = requested, .shortage = shortage});
}

TEST(Shortage, ThatOnePieceWouldServeIsFragmentation) {
  EXPECT_EQ(cause(100, {144, 48, 3}), ShortageCause::fragmentation);
  EXPECT_EQ(cause(144, {144, 48, 3}), ShortageCause::fragmentation);
  EXPECT_EQ(cause(100, {144, 48, 3, 64}), ShortageCause::fragmentation);
}

TEST(Shortage, ThatAllPiecesTogetherWouldNotServeIsALackOfMemory) {
  EXPECT_EQ(cause(145, {144, 48, 3}), ShortageCause::memory);
  EXPECT_EQ(cause(1, {0, 0, 0}), ShortageCause::memory);
  EXPECT_EQ(cause(0, {0, 0, 1}), ShortageCause::memory);
  EXPECT_EQ(cause(0, {0, 0, 0, 64}), ShortageCause::memory);
}

TEST(Shortage, WithALargeEnoughBlockIsOfTheAlignmentOrTheBatch) {
  EXPECT_EQ(cause(900, {992, 992, 1, 256}), ShortageCause::alignment);
  EXPECT_EQ(cause(900, {992, 992, 1}), ShortageCause::batch);
}

TEST(Shortage, HasAnIndexOfFragmentation) {
  EXPECT_DOUBLE_EQ(fragmentation_index(100, 144, 3), 1 - (1 + 1.44) / 3);
  EXPECT_EQ(fragmentation_index(100, 0, 0), 0);
  EXPECT_EQ(fragmentation_index(0, 100, 3), 0);
  EXPECT_EQ(fragmentation_index(10, 100, 3), 0);
}

}  // namespace
}  // namespace glassheap
