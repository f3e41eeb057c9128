// The parts of a recording: numbers, packed blocks, checksums, and the file of a program that is
// killed, forks, or has no more room.
//
// tests/python/test_recordings.py has the format as a whole, against an oracle in Python.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "trace/column_builder.hpp"
#include "trace/crc32.hpp"
#include "trace/trace_file.hpp"

namespace glassheap::trace {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::string_view text) {
  const std::span bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// --- Numbers, checksums and packed blocks. -------------------------------------------------------

TEST(Varint, EveryNumberIsReadAsItWasWritten) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (const std::uint64_t number :
         {std::uint64_t{1} << bit, (std::uint64_t{1} << bit) - 1, ~(std::uint64_t{1} << bit)}) {
      std::array<std::byte, longest_varint> bytes{};
      const std::byte* const end = put_varint(bytes.data(), number);
      std::uint64_t read = 0;
      const std::byte* at = bytes.data();
      EXPECT_TRUE(get_varint(at, end, read));
      EXPECT_EQ(at, end);
      EXPECT_EQ(read, number);
      at = bytes.data();
      EXPECT_FALSE(get_varint(at, end - 1, read)) << "a number that is cut off";
      EXPECT_EQ(unfold(fold(number)), number);
    }
  }
}

TEST(Varint, ANumberOfMoreThan64BitsIsRefused) {
  Bytes bytes(9, std::byte{0xFF});
  bytes.push_back(std::byte{2});
  std::uint64_t number = 0;
  const std::byte* at = bytes.data();
  EXPECT_FALSE(get_varint(at, at + bytes.size(), number));
  bytes.assign(11, std::byte{0x80});
  at = bytes.data();
  EXPECT_FALSE(get_varint(at, at + bytes.size(), number));
}

// The check value that the catalogues of CRCs give for CRC-32/ISO-HDLC.
TEST(Crc32, TheChecksumIsTheKnownOne) {
  EXPECT_EQ(crc32(bytes_of("123456789")), 0xCBF43926U);
  EXPECT_EQ(crc32({}), 0U);
}

// Bytes that repeat more or less, of any length up to a block.
Bytes random_bytes(std::mt19937& chaos) {
  Bytes bytes(chaos() % (chaos() % 20 == 0 ? largest_block : 200));
  const std::size_t letters = 1 + chaos() % 256;
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(chaos() % letters);
  for (std::size_t copies = chaos() % 20; copies != 0 && bytes.size() > 8; --copies) {
    const std::size_t from = chaos() % bytes.size();
    const std::size_t to = chaos() % bytes.size();
    std::memmove(&bytes[to], &bytes[from],
                 std::min(bytes.size() - std::max(from, to), std::size_t{chaos() % 400}));
  }
  return bytes;
}

TEST(Lz4Block, AnyBytesAreUnpackedAsTheyWerePacked) {
  std::mt19937 chaos(1);
  MatchTable table{};
  for (int round = 0; round < 3000; ++round) {
    const Bytes plain = random_bytes(chaos);
    Bytes packed(plain.size() + plain.size() / 200 + 20);
    packed.resize(pack_block(plain, packed, table));
    ASSERT_FALSE(packed.empty()) << "there was room for all of it";
    Bytes again(plain.size());
    ASSERT_TRUE(unpack_block(packed, again));
    ASSERT_EQ(again, plain);
    Bytes small(packed.size() - 1);  // one byte less: no room, and nothing is written behind it
    EXPECT_EQ(pack_block(plain, small, table), 0U);
  }
}

// Under AddressSanitizer: no byte outside of the spans is read or written.
TEST(Lz4Block, DamagedBlocksAreRefusedOrOfTheRightLength) {
  std::mt19937 chaos(2);
  MatchTable table{};
  for (int round = 0; round < 3000; ++round) {
    const Bytes plain = random_bytes(chaos);
    Bytes packed(plain.size() + plain.size() / 200 + 20);
    packed.resize(pack_block(plain, packed, table));
    for (std::size_t damages = 1 + chaos() % 4; damages != 0; --damages)
      packed[chaos() % packed.size()] = static_cast<std::byte>(chaos());
    packed.resize(packed.size() - chaos() % 2);
    Bytes again(plain.size() - (plain.empty() ? 0 : chaos() % 2));
    (void)unpack_block(packed, again);
  }
  Bytes out(8);
  EXPECT_FALSE(unpack_block({}, out)) << "a block has a last sequence";
}

// --- The file. -----------------------------------------------------------------------------------

class TraceFileTest : public testing::Test {
 protected:
  // Every operation in the file, as a reader finds them.
  [[nodiscard]] std::vector<std::uint64_t> sizes() const {
    std::ifstream in(path_, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const Bytes file = bytes_of(text);
    FileHeader header;
    std::memcpy(&header, file.data(), sizeof header);
    ColumnBuilder builder(header);
    std::uint32_t next = 0;
    for (std::size_t at = largest_frame; at < file.size(); ++next)
      at = read_frame(file, at, builder);
    const std::span open = std::span(file).subspan(sizeof header, header.open & UINT32_MAX);
    if (header.open >> 32 == next) {
      EXPECT_TRUE(builder.add_block(open));
    }
    return builder.columns.sizes;
  }

  [[nodiscard]] FileHeader header() const {
    std::ifstream in(path_, std::ios::binary);
    std::array<char, sizeof(FileHeader)> bytes{};
    in.read(bytes.data(), bytes.size());
    return std::bit_cast<FileHeader>(bytes);
  }
  // The checksum of the open block's bytes that are sealed.
  [[nodiscard]] std::uint32_t seal() const {
    std::ifstream in(path_, std::ios::binary);
    in.seekg(sizeof(FileHeader));
    std::string bytes(header().sealed, '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return crc32(bytes_of(bytes));
  }

  const std::string path_ = testing::TempDir() + "glassheap-" + std::to_string(getpid()) + ".trace";

  ~TraceFileTest() override { std::filesystem::remove(path_); }

 private:
  // Returns the place behind it; that of the end for a frame that is cut off.
  static std::size_t read_frame(std::span<const std::byte> file, std::size_t at,
                                ColumnBuilder& builder) {
    FrameHeader header;
    if (file.size() - at < sizeof header) return file.size();
    std::memcpy(&header, &file[at], sizeof header);
    const std::span rest = file.subspan(at + sizeof header);
    if (rest.size() < header.packed) return file.size();
    Bytes plain(largest_frame);
    EXPECT_TRUE(open_frame(header, rest.first(header.packed), plain));
    EXPECT_TRUE(builder.add_block(std::span(plain).first(header.plain)));
    return at + sizeof header + header.packed;
  }
};

void add_mallocs(TraceFile& file, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t n = first; n < last; ++n)
    file.add(Event{.address = n * 977 * 16, .size = n, .thread = n % 3, .time = file.now()});
}

// Runs `act` in a child of its own, and returns how it ended, as waitpid gives it.
template <typename Act>
int run_in_child(Act act) {
  const pid_t child = fork();
  if (child == 0) {
    act();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

void expect_counted(const std::vector<std::uint64_t>& sizes, std::uint64_t count) {
  ASSERT_EQ(sizes.size(), count);
  for (std::uint64_t n = 0; n < count; ++n) ASSERT_EQ(sizes[n], n);
}

TEST_F(TraceFileTest, EveryCallOfAKilledProgramIsInTheFile) {
  for (const std::uint64_t calls : {0, 1, 1000, 5000, 20'000}) {
    const int status = run_in_child([&] {
      TraceFile file;
      unlink(path_.c_str());
      if (file.create(path_.c_str(), 4) != 0) _exit(1);
      add_mallocs(file, 0, calls);
      raise(SIGKILL);
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    expect_counted(sizes(), calls);
  }
}

TEST_F(TraceFileTest, AForkedChildThatClosesTheFileLeavesItToItsParent) {
  TraceFile file;
  ASSERT_EQ(file.create(path_.c_str(), 4), 0);
  add_mallocs(file, 0, 3000);
  EXPECT_EQ(run_in_child([&] {
              file.close();
              add_mallocs(file, 7, 3000);  // does nothing
            }),
            0);
  add_mallocs(file, 3000, 9000);
  expect_counted(sizes(), 9000);
}

// A limit on the size of files has the effect of a full disk. The calls before it are in the file.
TEST_F(TraceFileTest, AFullDiskEndsTheRecordingAndLeavesWhatWasRecorded) {
  const int status = run_in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 2 * largest_frame, .rlim_max = 2 * largest_frame};
    setrlimit(RLIMIT_FSIZE, &limit);
    if (freopen("/dev/null", "w", stderr) == nullptr) _exit(2);  // the sentence about it
    TraceFile file;
    if (file.create(path_.c_str(), 4) != 0) _exit(1);
    add_mallocs(file, 0, 100'000);
    _exit(file.is_open() ? 3 : 0);
  });
  ASSERT_EQ(status, 0);
  EXPECT_LE(std::filesystem::file_size(path_), 2 * largest_frame);
  const std::vector<std::uint64_t> found = sizes();
  EXPECT_GT(found.size(), 2000U);
  expect_counted(found, found.size());
  EXPECT_EQ(header().ending, Ending::file_limit);
  EXPECT_GT(header().sealed, 0U);
  EXPECT_EQ(header().checksum, seal());
}

// The length of the open block, and how much of it has a checksum.
using Lengths = std::pair<std::uint64_t, std::uint32_t>;

TEST_F(TraceFileTest, ASealCoversWhatWasAddedAndMoreMayFollow) {
  TraceFile file;
  ASSERT_EQ(file.create(path_.c_str(), 4), 0);
  const auto lengths = [&] { return Lengths(header().open & UINT32_MAX, header().sealed); };
  file.seal();
  EXPECT_EQ(lengths(), Lengths(0, 0));
  add_mallocs(file, 0, 100);
  EXPECT_EQ(lengths().second, 0U);
  file.seal();
  const std::uint32_t sealed = header().sealed;
  EXPECT_EQ(lengths(), Lengths(sealed, sealed));
  add_mallocs(file, 100, 200);
  EXPECT_EQ(lengths().second, sealed) << "the others have no checksum";
  EXPECT_EQ(header().checksum, seal());
  add_mallocs(file, 200, 9000);
  EXPECT_EQ(lengths().second, 0U) << "it was of a block that is a frame";
  file.finish();
  EXPECT_EQ(lengths(), Lengths(header().sealed, header().sealed));
  EXPECT_EQ(header().checksum, seal());
  EXPECT_EQ(header().ending, Ending::none);
  expect_counted(sizes(), 9000);
}

TEST_F(TraceFileTest, ARecordingThatIsOnlyClosedIsNotSealed) {
  TraceFile file;
  ASSERT_EQ(file.create(path_.c_str(), 4), 0);
  add_mallocs(file, 0, 100);
  file.close();
  EXPECT_EQ(header().sealed, 0U) << "a child closes the file that its parent writes";
}

TEST_F(TraceFileTest, AFileInTheDescriptorsPlaceIsNotWritten) {
  TraceFile file;
  ASSERT_EQ(file.create(path_.c_str(), 4), 0);
  const std::string other = path_ + ".other";
  const int status = run_in_child([&] {
    if (freopen("/dev/null", "w", stderr) == nullptr) _exit(2);
    closefrom(3);
    for (int taken = 0; taken < 150; ++taken)
      if (creat(other.c_str(), 0600) < 0) _exit(1);
    add_mallocs(file, 0, 10'000);
    _exit(file.is_open() ? 3 : 0);
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(std::filesystem::file_size(other), 0U);
  std::filesystem::remove(other);
}

TEST_F(TraceFileTest, AnExistingFileIsNotReplaced) {
  TraceFile first;
  TraceFile second;
  ASSERT_EQ(first.create(path_.c_str(), 0), 0);
  add_mallocs(first, 0, 2);
  first.close();
  EXPECT_EQ(second.create(path_.c_str(), 0), EEXIST);
  EXPECT_EQ(second.create("/dev/null", 0), EEXIST);
  EXPECT_EQ(second.create("/none/of/these", 0), ENOENT);
  EXPECT_FALSE(second.is_open());
  expect_counted(sizes(), 2);
}

}  // namespace
}  // namespace glassheap::trace
