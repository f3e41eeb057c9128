// lz4_block.hpp: the block format of LZ4, by its public description ("LZ4 Block Format Description",
// Y. Collet). It is here, and not from the library, because a recorder that replaces malloc may not
// allocate, and needs neither more speed nor more strength than this.
//
// A block is a row of sequences: bytes that are copied as they stand, then a match, which repeats
// bytes that came before.
//
//     | token | more literal length | literals | offset u16 | more match length |
//       4 bits: literals, 15: more follows     1..65535 back  the match has 4 bytes more
//       4 bits: match                                         than its length says
//
// The last sequence has literals alone: at least the last 5 bytes. The last match begins at least 12
// bytes before the end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace glassheap::trace {

inline constexpr std::size_t largest_block = 1 << 16;

// Where a byte sequence was seen last, by a hash of its first four bytes.
using MatchTable = std::array<std::uint16_t, 4096>;

// Packs at most largest_block bytes. Returns the bytes written; 0 if they do not fit in `out`. O(n).
[[nodiscard]] std::size_t pack_block(std::span<const std::byte> plain, std::span<std::byte> out,
                                     MatchTable& table) noexcept;

// Unpacks a block. Returns false if it is damaged, or has another size than `out`. O(n).
[[nodiscard]] bool unpack_block(std::span<const std::byte> packed,
                                std::span<std::byte> out) noexcept;

}  // namespace glassheap::trace
