#include "block/redzone.hpp"

namespace glassheap::redzone {
namespace {

constexpr std::byte redzone_byte{GLASSHEAP_REDZONE};

// Not in a shared heap: this process does not see the allocations of another one.
void poison_block(const BlockBytes& bytes, Block block) noexcept {
  if (bytes.layout.has_redzones() && !bytes.layout.shared)
    poison(bytes.bytes(block.start), block.extent);
}

GLASSHEAP_NO_ASAN std::byte byte_at(const BlockBytes& bytes, Offset at) noexcept {
  return *bytes.bytes(at);
}

// The offset of the first byte in [from, to) that is not `expected`, or `to`. The heap itself may
// read bytes that it has poisoned.
GLASSHEAP_NO_ASAN Offset first_mismatch(const BlockBytes& bytes, Offset from, Offset to,
                                        std::byte expected) noexcept {
  while (from < to && *bytes.bytes(from) == expected) ++from;
  return from;
}

// The offset of the first byte of the trailer that differs from `expected`, or the block's end.
Offset first_mismatch(const BlockBytes& bytes, Block block, const trailer_t& expected) noexcept {
  using Bytes = std::array<std::byte, sizeof(trailer_t)>;
  const auto wanted = std::bit_cast<Bytes>(expected);
  const auto found = std::bit_cast<Bytes>(bytes.trailer(block));
  const auto* const other = std::ranges::mismatch(wanted, found).in1;
  return block.end() - sizeof(trailer_t) + static_cast<Size>(other - wanted.begin());
}

bool report_overflow(const BlockBytes& bytes, Block block, Size size, Offset at,
                     Fault& fault) noexcept {
  fault = {.kind = FaultKind::overflow_detected,
           .rule = Rule::redzone,
           .offset = block.start,
           .expected = size,
           .found = at - bytes.layout.payload_of(block.start)};
  return false;
}

}  // namespace

void raise(BlockBytes& bytes, Block block, Size size) noexcept {
  const Offset payload = bytes.layout.payload_of(block.start);
  const Offset trailer = block.end() - sizeof(trailer_t);
  unpoison(bytes.bytes(block.start), block.extent);
  bytes.set(payload + size, trailer - payload - size, redzone_byte);
  bytes.write_trailer(block, size);
  poison_block(bytes, block);
  unpoison(bytes.bytes(payload), size);
}

void move(BlockBytes& bytes, Block old, Block block, Size size) noexcept {
  unpoison(bytes.bytes(old.start), old.extent);
  bytes.fill(old.end() - sizeof(trailer_t), sizeof(trailer_t));
  raise(bytes, block, size);
}

// Without headers only the trailer stores the size, and it is trusted only if its check is right.
bool holds(const BlockBytes& bytes, Block block, Size& size, Fault& fault) noexcept {
  const trailer_t trailer = bytes.trailer(block);
  const Offset at_trailer = block.end() - sizeof trailer;
  if (!bytes.layout.has_headers()) {
    size = trailer.size;
    if (!bytes.layout.fills(size, block.extent) ||
        trailer.check != bytes.trailer_for(block, size).check)
      return report_overflow(bytes, block, bytes.layout.on_offer(block.extent), at_trailer, fault);
  }
  const Offset end_of_payload = bytes.layout.payload_of(block.start) + size;
  Offset at = first_mismatch(bytes, end_of_payload, at_trailer, redzone_byte);
  if (at == at_trailer) at = first_mismatch(bytes, block, bytes.trailer_for(block, size));
  return at == block.end() || report_overflow(bytes, block, size, at, fault);
}

void fill(BlockBytes& bytes, Block block) noexcept {
  unpoison(bytes.bytes(block.start), block.extent);
  bytes.fill(block.start, block.extent);
  poison_block(bytes, block);
}

bool fill_holds(const BlockBytes& bytes, Offset from, Offset to, Fault& fault) noexcept {
  const Offset at = first_mismatch(bytes, from, to, bytes.free_fill());
  if (at >= to) return true;
  fault = {.kind = FaultKind::write_after_free,
           .rule = Rule::fill,
           .offset = at,
           .expected = std::to_integer<std::uint64_t>(bytes.free_fill()),
           .found = std::to_integer<std::uint64_t>(byte_at(bytes, at))};
  return false;
}

bool fill_holds(const BlockBytes& bytes, Block from, Offset to, Block rest, Fault& fault) noexcept {
  bool holds = fill_holds(bytes, from.start + granule_size, to, fault);
  while (holds && rest) {
    holds = fill_holds(bytes, rest.start, rest.start + granule_size, fault);
    const Size piece = bytes.layout.powers_of_two ? first_piece(rest).extent : rest.extent;
    rest = {rest.start + piece, rest.extent - piece};
  }
  return holds;
}

}  // namespace glassheap::redzone
