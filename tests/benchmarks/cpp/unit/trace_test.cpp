// Reading trace files, and the operations that a player gets from them.

#include "trace.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace bench {
namespace {

// The operations as words of a letter, the block and the size: "a0:48 r0:96 f0".
std::string drawn(const Trace& trace) {
  std::string words;
  for (const Operation& operation : trace.operations) {
    words += words.empty() ? "" : " ";
    words += "arf"[static_cast<std::size_t>(operation.action)];
    words += std::to_string(operation.block);
    if (operation.action != Action::release)
      words.append(":").append(std::to_string(operation.size));
  }
  return words;
}

std::string error_of(std::string_view text) {
  try {
    static_cast<void>(parse_script(text));
    return "none";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

TEST(Script, IsReadLineByLine) {
  EXPECT_EQ(drawn(parse_script("# stars\na 7 48\n\n  r 7 96  # grows\r\nf 7\n")), "a0:48 r0:96 f0");
}

TEST(Script, NeedsNoLineBreakAtItsEnd) { EXPECT_EQ(drawn(parse_script("a 1 8\nf 1")), "a0:8 f0"); }

TEST(Script, OnlyTheFirstLetterOfTheWordMatters) {
  EXPECT_EQ(drawn(parse_script("alloc 1 8\nfree 1\n")), "a0:8 f0");
}

TEST(Script, AnIdIsUsedAgainAfterItsFree) {
  EXPECT_EQ(drawn(parse_script("a 5 8\nf 5\na 5 16\nf 5\n")), "a0:8 f0 a0:16 f0");
}

TEST(Script, BlocksThatAreLeftAreReleasedAtTheEnd) {
  EXPECT_EQ(drawn(parse_script("a 1 8\na 2 0\na 3 24\nf 2\n")), "a0:8 a1:0 a2:24 f1 f0 f2");
}

TEST(Script, AnAllocationUnderALiveIdLeaksTheOldBlock) {
  EXPECT_EQ(drawn(parse_script("a 1 8\na 1 16\nf 1\n")), "a0:8 a1:16 f1 f0");
}

TEST(Script, AReallocationOfADeadBlockIsAnAllocation) {
  EXPECT_EQ(drawn(parse_script("r 1 8\nf 1\nr 1 16\n")), "a0:8 f0 a0:16 f0");
}

TEST(Script, AFreeOfADeadBlockIsSkipped) {
  EXPECT_EQ(drawn(parse_script("f 9\na 1 8\nf 1\nf 1\n")), "a0:8 f0");
}

TEST(Script, AnInvalidLineIsReported) {
  EXPECT_EQ(error_of("a 1 8\nb 1 8\n"), "line 2 is no operation: 'b 1 8'");
  EXPECT_EQ(error_of("a 1\n"), "line 1 is no operation: 'a 1'");
  EXPECT_EQ(error_of("a 1 8 8\n"), "line 1 is no operation: 'a 1 8 8'");
  EXPECT_EQ(error_of("a 1 8x\n"), "line 1 is no operation: 'a 1 8x'");
  EXPECT_EQ(error_of("f 1 8\n"), "line 1 is no operation: 'f 1 8'");
  EXPECT_EQ(error_of("a 1 -8\n"), "line 1 is no operation: 'a 1 -8'");
}

TEST(Script, ASizeThatNoRegionCanHoldIsRefused) {
  EXPECT_EQ(error_of("a 1 9223372036854775807\n"),
            "line 1 is no operation: 'a 1 9223372036854775807'");
}

TEST(Peaks, AreTheLargestSums) {
  const Trace trace = parse_script("a 1 100\na 2 10\nf 1\na 3 20\nf 2\nf 3\n");
  EXPECT_EQ(trace.peak_payload, 110U);
  EXPECT_EQ(trace.peak_taken, 16U + 112U + 16U + 16U);
  EXPECT_EQ(trace.blocks, 3U);
}

// The old and the new size are never counted together: otherwise the payload would be too large.
TEST(Peaks, AReallocatedBlockCountsOnce) {
  EXPECT_EQ(parse_script("a 1 100\nr 1 200\nr 1 50\n").peak_payload, 200U);
}

TEST(WeeAlloc, AFreeNamesAnAllocByItsNumber) {
  EXPECT_EQ(drawn(parse_wee_alloc("Alloc(552),\nAlloc(8),\nFree(1),\nAlloc(16),\nFree(0),\n")),
            "a0:552 a1:8 f1 a2:16 f0 f2");
}

TEST(WeeAlloc, OtherLinesAreSkipped) {
  EXPECT_EQ(drawn(parse_wee_alloc("[\nAlloc(8),\nsomething\n]\n")), "a0:8 f0");
}

// --- Files. ------------------------------------------------------------------------------------

class TraceFiles : public ::testing::Test {
 protected:
  TraceFiles() { std::filesystem::create_directory(folder_); }
  ~TraceFiles() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path write(const char* name, const char* text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  const std::filesystem::path folder_ =
      ::testing::TempDir() + "traces_of_" +
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(TraceFiles, TheSuffixSelectsTheGrammar) {
  EXPECT_EQ(drawn(read_trace(write("one.script", "a 1 8\n"))), "a0:8 f0");
  EXPECT_EQ(drawn(read_trace(write("two.trace", "Alloc(24),\n"))), "a0:24 f0");
}

TEST_F(TraceFiles, AreFoundInOrderOfName) {
  for (const char* name : {"b.script.gz", "notes.md", "a.trace", "c.gz"})
    static_cast<void>(write(name, ""));
  std::vector<std::string> names;
  for (const auto& file : traces_in(folder_)) names.push_back(trace_name(file));
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
}

TEST_F(TraceFiles, AnErrorNamesTheFile) {
  const auto broken = write("broken.script", "a 1\n");
  try {
    static_cast<void>(read_trace(broken));
    FAIL() << "It should have been refused.";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(error.what(), broken.string() + ": line 1 is no operation: 'a 1'");
  }
}

TEST_F(TraceFiles, WithoutAnOperationOrUnreadableAreRefused) {
  EXPECT_THROW(static_cast<void>(read_trace(write("empty.script", "# no\n"))), std::runtime_error);
  EXPECT_THROW(static_cast<void>(read_trace(write("torn.script.gz", "no"))), std::runtime_error);
  EXPECT_THROW(static_cast<void>(read_trace(folder_ / "none.script")), std::runtime_error);
}

TEST(ShippedTrace, IsUnpackedWhole) {
  const auto files = traces_in(SHIPPED_TRACES);
  ASSERT_EQ(files.size(), 1U);
  const Trace trace = read_trace(files[0]);
  EXPECT_EQ(trace.operations.size(), 32253U + 2U);  // and the two blocks that it leaves behind
  EXPECT_EQ(trace.peak_payload, 411177U);
}

}  // namespace
}  // namespace bench
