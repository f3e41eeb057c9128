#include "trace/frame.hpp"

#include <cstring>

#include "trace/crc32.hpp"

namespace glassheap::trace {

std::span<const std::byte> make_frame(std::span<const std::byte> plain, std::uint32_t number,
                                      PackingSpace& space) noexcept {
  const std::span body = std::span(space.frame).subspan(sizeof(FrameHeader));
  std::size_t packed = pack_block(plain, body.first(plain.size()), space.table);
  if (packed == 0 || packed == plain.size()) {
    packed = plain.size();
    std::memcpy(body.data(), plain.data(), packed);
  }
  const FrameHeader header{.number = number,
                           .packed = static_cast<std::uint32_t>(packed),
                           .plain = static_cast<std::uint32_t>(plain.size()),
                           .checksum = crc32(body.first(packed))};
  std::memcpy(space.frame.data(), &header, sizeof header);
  return std::span(space.frame).first(sizeof header + packed);
}

bool open_frame(const FrameHeader& header, std::span<const std::byte> packed,
                std::span<std::byte> plain) noexcept {
  if (header.mark != frame_mark || header.packed != packed.size()) return false;
  if (header.plain > plain.size() || header.checksum != crc32(packed)) return false;
  if (header.plain != header.packed) return unpack_block(packed, plain.first(header.plain));
  std::memcpy(plain.data(), packed.data(), packed.size());
  return true;
}

}  // namespace glassheap::trace
