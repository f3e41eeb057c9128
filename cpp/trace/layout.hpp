// layout.hpp: a recording as it lies in a file. All numbers are little-endian.
//
//     0     | FileHeader: 64 bytes                                                        |
//     64    | the open block: what was recorded since the last frame, not packed          |
//     open_capacity + 64
//           | FrameHeader: 20 bytes | its bytes, packed | FrameHeader | bytes | ...        |
//
// A recorder maps the header and the open block, so what it has written there is in the file even if
// the program is killed at the next store. A full open block is packed, and written behind the
// frames; then it is empty, and has the next number. One word, FileHeader::open, tells
// which of both a reader needs: a block with the number of a whole frame was written already.
//
//     open  | length : u32 | number : u32 |
//
// A recorder that dies while it writes a frame leaves one cut off, and the block that it came from.
//
// A frame has a checksum. The open block gets one when it is sealed: when the recording is closed,
// when its program exits, and when the disk is full. `sealed` bytes of it are covered; what was added
// later, or by a program that was killed, is not.
//
// What is written as a stream has no open block: its capacity is 0. Its last frame is empty, so a
// stream that was cut off between two frames can be told.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace glassheap::trace {

static_assert(std::endian::native == std::endian::little, "a recording is little-endian");

// Not text, and damaged by programs that convert line ends (as in PNG).
inline constexpr std::array<unsigned char, 8> magic = {0x89, 'G', 'H', 'T', '\r', '\n', 0x1A, '\n'};
inline constexpr std::uint32_t version = 1;

enum FileFlags : std::uint32_t {
  has_times = 1,  // otherwise all times are 0
  has_end = 2,    // a stream, whose last frame is empty
  of_child = 4,   // of a process that the recorded program started or became: NAME.PID
};

// Why a recording ended before its program.
enum class Ending : std::uint32_t {
  none,         // it did not, or nothing is known of it
  disk_full,    // or the quota was used up
  file_limit,   // the limit of a file's size was reached
  file_closed,  // by the program, which closes descriptors that it does not know
  error,        // any other
};

struct FileHeader {
  std::array<unsigned char, 8> magic = trace::magic;
  std::uint32_t version = trace::version;
  std::uint32_t flags = 0;
  std::uint32_t tick = 1000;        // nanoseconds
  std::uint32_t shift = 0;          // addresses are multiples of 1 << shift
  std::uint32_t open_capacity = 0;  // bytes
  Ending ending = Ending::none;
  std::uint64_t open = 0;
  std::uint64_t started = 0;   // nanoseconds since 1970, or 0
  std::uint64_t process = 0;   // its id, or 0
  std::uint32_t checksum = 0;  // CRC-32 of the first bytes of the open block
  std::uint32_t sealed = 0;    // how many; 0: it has no checksum
};
static_assert(sizeof(FileHeader) == 64);

inline constexpr std::array<unsigned char, 4> frame_mark = {'G', 'H', 'F', 'R'};

struct FrameHeader {
  std::array<unsigned char, 4> mark = frame_mark;
  std::uint32_t number = 0;    // from 0
  std::uint32_t packed = 0;    // bytes behind this header
  std::uint32_t plain = 0;     // bytes when unpacked; as many as packed: they are not packed
  std::uint32_t checksum = 0;  // CRC-32 of the bytes behind this header
};
static_assert(sizeof(FrameHeader) == 20);

inline constexpr std::size_t largest_frame = 1 << 14;  // plain bytes

}  // namespace glassheap::trace
