#include "glassheap/redzone.hpp"

namespace glassheap::redzone {
namespace {

constexpr std::byte fence{GLASSHEAP_REDZONE};

// Not in a heap that processes share: what another one hands out, this one would not know of.
void put_out_of_bounds(const Blocks& blocks, Block block) noexcept {
  if (blocks.layout.has_redzones() && !blocks.layout.shared)
    poison(blocks.bytes(block.start), block.extent);
}

GLASSHEAP_INSIDE std::byte byte_at(const Blocks& blocks, Offset at) noexcept {
  return *blocks.bytes(at);
}

// The place of the first byte in [from, to) that is not `expected`, or `to`. The heap may look at
// what it has poisoned.
GLASSHEAP_INSIDE Offset first_other(const Blocks& blocks, Offset from, Offset to,
                                    std::byte expected) noexcept {
  while (from < to && *blocks.bytes(from) == expected) ++from;
  return from;
}

// The first byte of the trailer that is not as `expected` has it; its end if all are.
Offset first_other(const Blocks& blocks, Block block, const trailer_t& expected) noexcept {
  using Bytes = std::array<std::byte, sizeof(trailer_t)>;
  const auto wanted = std::bit_cast<Bytes>(expected);
  const auto found = std::bit_cast<Bytes>(blocks.trailer(block));
  const auto* const other = std::ranges::mismatch(wanted, found).in1;
  return block.end() - sizeof(trailer_t) + static_cast<Size>(other - wanted.begin());
}

bool overflow(const Blocks& blocks, Block block, Size size, Offset at, Fault& fault) noexcept {
  fault = {.kind = FaultKind::overflow_detected,
           .rule = Rule::redzone,
           .offset = block.start,
           .expected = size,
           .found = at - blocks.layout.payload_of(block.start)};
  return false;
}

}  // namespace

void raise(Blocks& blocks, Block block, Size size) noexcept {
  const Offset payload = blocks.layout.payload_of(block.start);
  const Offset trailer = block.end() - sizeof(trailer_t);
  unpoison(blocks.bytes(block.start), block.extent);
  blocks.set(payload + size, trailer - payload - size, fence);
  blocks.write_trailer(block, size);
  put_out_of_bounds(blocks, block);
  unpoison(blocks.bytes(payload), size);
}

void move(Blocks& blocks, Block old, Block block, Size size) noexcept {
  unpoison(blocks.bytes(old.start), old.extent);
  blocks.fill(old.end() - sizeof(trailer_t), sizeof(trailer_t));
  raise(blocks, block, size);
}

// Without headers the trailer is the only witness of the size, and is believed only if its check
// is.
bool holds(const Blocks& blocks, Block block, Size& size, Fault& fault) noexcept {
  const trailer_t trailer = blocks.trailer(block);
  const Offset at_trailer = block.end() - sizeof trailer;
  if (!blocks.layout.has_headers()) {
    size = trailer.size;
    if (!blocks.layout.fills(size, block.extent) ||
        trailer.check != blocks.trailer_for(block, size).check)
      return overflow(blocks, block, blocks.layout.on_offer(block.extent), at_trailer, fault);
  }
  const Offset end_of_payload = blocks.layout.payload_of(block.start) + size;
  Offset at = first_other(blocks, end_of_payload, at_trailer, fence);
  if (at == at_trailer) at = first_other(blocks, block, blocks.trailer_for(block, size));
  return at == block.end() || overflow(blocks, block, size, at, fault);
}

void fill(Blocks& blocks, Block block) noexcept {
  unpoison(blocks.bytes(block.start), block.extent);
  blocks.fill(block.start, block.extent);
  put_out_of_bounds(blocks, block);
}

bool fill_holds(const Blocks& blocks, Offset from, Offset to, Fault& fault) noexcept {
  const Offset at = first_other(blocks, from, to, blocks.free_fill());
  if (at >= to) return true;
  fault = {.kind = FaultKind::write_after_free,
           .rule = Rule::fill,
           .offset = at,
           .expected = std::to_integer<std::uint64_t>(blocks.free_fill()),
           .found = std::to_integer<std::uint64_t>(byte_at(blocks, at))};
  return false;
}

bool fill_holds(const Blocks& blocks, Block from, Offset to, Block rest, Fault& fault) noexcept {
  bool holds = fill_holds(blocks, from.start + granule_size, to, fault);
  while (holds && rest) {
    holds = fill_holds(blocks, rest.start, rest.start + granule_size, fault);
    const Size piece = blocks.layout.powers_of_two ? first_piece(rest).extent : rest.extent;
    rest = {rest.start + piece, rest.extent - piece};
  }
  return holds;
}

}  // namespace glassheap::redzone
