// crc32.hpp: the checksum of a frame, CRC-32 as in gzip and PNG (ISO-HDLC, polynomial 0xEDB88320).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace glassheap::trace {

// Four bytes at a step: table k has the effect of a byte that is followed by k others.
using CrcTables = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr CrcTables make_crc_tables() noexcept {
  CrcTables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = rest >> 1 ^ ((rest & 1) != 0 ? 0xEDB88320U : 0);
    tables[0][byte] = rest;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before >> 8 ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

inline constexpr CrcTables crc_tables = make_crc_tables();

// Of bytes that follow others, whose checksum is `before`.
[[nodiscard]] inline std::uint32_t crc32(std::span<const std::byte> bytes,
                                         std::uint32_t before = 0) noexcept {
  const auto byte_at = [&](std::size_t i) { return static_cast<std::uint32_t>(bytes[i]); };
  std::uint32_t rest = ~before;
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    rest ^= byte_at(i) | byte_at(i + 1) << 8 | byte_at(i + 2) << 16 | byte_at(i + 3) << 24;
    rest = crc_tables[3][rest & 0xFF] ^ crc_tables[2][rest >> 8 & 0xFF] ^
           crc_tables[1][rest >> 16 & 0xFF] ^ crc_tables[0][rest >> 24];
  }
  for (; i < bytes.size(); ++i) rest = rest >> 8 ^ crc_tables[0][(rest ^ byte_at(i)) & 0xFF];
  return ~rest;
}

}  // namespace glassheap::trace
