// frame.hpp: a block of events as a frame, packed and with a checksum.
#pragma once

#include "trace/layout.hpp"
#include "trace/lz4_block.hpp"

namespace glassheap::trace {

// What packing takes, beside the stack: a recorder may not allocate.
struct PackingSpace {
  MatchTable table{};
  std::array<std::byte, sizeof(FrameHeader) + largest_frame> frame{};
};

// Makes a frame of at most largest_frame bytes, in the space. They stay unpacked if that is shorter.
[[nodiscard]] std::span<const std::byte> make_frame(std::span<const std::byte> plain,
                                                    std::uint32_t number,
                                                    PackingSpace& space) noexcept;

// Unpacks the bytes behind a frame's header into `plain`, which has largest_frame bytes. Returns
// false if they are damaged.
[[nodiscard]] bool open_frame(const FrameHeader& header, std::span<const std::byte> packed,
                              std::span<std::byte> plain) noexcept;

}  // namespace glassheap::trace
