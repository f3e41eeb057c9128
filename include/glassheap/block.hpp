// block.hpp: what the bytes of a block mean. Nothing else reads or writes the front of one.
//
// The bytes themselves are drawn in layout.h. Here are the only functions that turn them into
// numbers and back, the seal, and the arithmetic between a size, an extent and a payload's place:
//
//     start                payload                              end
//     | header or node: 16 | payload, rounded up to 16 ........ |
//     <------------------------- extent ----------------------->
//
//     extent  = 16 + round_up(size, 16)        payload = start + 16
//     on offer = extent - 16                   (what a node's size says)
#pragma once

#include <cstddef>
#include <cstring>
#include <optional>

#include "glassheap/layout.h"
#include "glassheap/region.hpp"
#include "glassheap/units.hpp"

namespace glassheap {

using ::header_t;
using ::node_t;

inline constexpr Size front_size = sizeof(header_t);
static_assert(sizeof(header_t) == granule_size && sizeof(node_t) == granule_size);

[[nodiscard]] constexpr Offset payload_of(Offset start) noexcept { return start + front_size; }
[[nodiscard]] constexpr Offset start_of(Offset payload) noexcept { return payload - front_size; }
[[nodiscard]] constexpr Size on_offer(Size extent) noexcept { return extent - front_size; }

// The extent that `size` bytes of payload take. `size` is at most largest_region.
[[nodiscard]] constexpr Size extent_for(Size size) noexcept {
  return front_size + round_up(size, granule_size);
}

// Whether a block of `extent` bytes is what `size` asks for; for any size, also one read from a
// damaged header: nothing here wraps.
[[nodiscard]] constexpr bool fills(Size size, Size extent) noexcept {
  return size <= on_offer(extent) && on_offer(extent) - size < granule_size;
}

// Links and offsets, in pairs.
[[nodiscard]] constexpr std::uint32_t link_to(Offset start) noexcept {
  return start == nowhere ? GLASSHEAP_NIL : static_cast<std::uint32_t>(start / granule_size);
}
[[nodiscard]] constexpr Offset linked(std::uint32_t link) noexcept {
  return link == GLASSHEAP_NIL ? nowhere : Offset{link} * granule_size;
}

// A request for one block: its whole extent, and where its payload may stand.
struct Request {
  Size extent;
  Size align;
};

// The keyed check in a header. Sixteen bits of a multiply-and-fold of everything that the header
// says and of the place where it says it, under a key that is drawn for each heap: a header that
// was copied, replayed or made up fits with a chance of 1 in 65,536.
class Sealer {
 public:
  Sealer();  // draws a key from the system's random numbers

  [[nodiscard]] std::uint16_t seal(Offset start, const header_t& header) const noexcept {
    std::uint64_t mixed = (header.size ^ key_[0]) * 0x9E3779B97F4A7C15U;  // 2^64 / golden ratio
    mixed ^= (std::uint64_t{header.magic} << 16 | header.serial) ^ (mixed >> 32);
    mixed = (mixed ^ (start / granule_size) << 32 ^ key_[1]) * 0xD6E8FEB86659FD93U;
    return static_cast<std::uint16_t>(mixed >> 48);
  }

 private:
  std::uint64_t key_[2];
};

// The region's bytes, read and written as fronts of blocks and as payloads.
class Blocks {
 public:
  Blocks(const Region& region, std::uint32_t magic)
      : first_(region.data()), size_(region.size()), magic_(magic) {}

  [[nodiscard]] Size size() const noexcept { return size_; }
  [[nodiscard]] std::uint32_t magic() const noexcept { return magic_; }

  [[nodiscard]] header_t header(Offset start) const noexcept { return read<header_t>(start); }
  [[nodiscard]] node_t node(Offset start) const noexcept { return read<node_t>(start); }
  [[nodiscard]] std::uint16_t seal(Offset start, const header_t& header) const noexcept {
    return sealer_.seal(start, header);
  }

  void write_header(Offset start, Size size, std::uint16_t serial) noexcept {
    header_t header{size, magic_, serial, 0};
    header.seal = sealer_.seal(start, header);
    write(start, header);
  }
  void write_node(Offset start, const node_t& node) noexcept { write(start, node); }
  void set_next(Offset node, Offset next) noexcept {
    write(node + offsetof(node_t, next), link_to(next));
  }
  void set_prev(Offset node, Offset prev) noexcept {
    write(node + offsetof(node_t, prev), link_to(prev));
  }

  // Takes the front of a block that is no more out of sight: a new payload never shows it.
  void scrub(Offset start) noexcept { zero(start, front_size); }
  void zero(Offset at, Size size) noexcept { std::memset(first_ + at, 0, size); }
  void copy(Offset to, Offset from, Size size) noexcept {
    std::memcpy(first_ + to, first_ + from, size);
  }
  // All sixteen bytes at the front, whatever they mean; to put back what was there.
  [[nodiscard]] header_t save(Offset start) const noexcept { return header(start); }
  void restore(Offset start, const header_t& saved) noexcept { write(start, saved); }

  // The lowest start in `free` at which a block for `request` has its payload aligned and fits.
  [[nodiscard]] std::optional<Offset> place(Block free, const Request& request) const noexcept {
    const Address payload = real(payload_of(free.start));
    const Offset start = free.start + (round_up(payload, request.align) - payload);
    if (start > free.end() || free.end() - start < request.extent) return std::nullopt;
    return start;
  }
  [[nodiscard]] bool is_aligned(Offset payload, Size align) const noexcept {
    return (real(payload) & (align - 1)) == 0;
  }

 private:
  template <typename Value>
  [[nodiscard]] Value read(Offset at) const noexcept {
    Value value{};
    std::memcpy(&value, first_ + at, sizeof value);
    return value;
  }
  template <typename Value>
  void write(Offset at, const Value& value) noexcept {
    std::memcpy(first_ + at, &value, sizeof value);
  }
  [[nodiscard]] Address real(Offset at) const noexcept {
    return reinterpret_cast<Address>(first_) + at;
  }

  std::byte* first_;
  Size size_;
  std::uint32_t magic_;
  Sealer sealer_;
};

}  // namespace glassheap
