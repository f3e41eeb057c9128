// block.hpp: the encoding of a block. No other file reads or writes the front of one.
//
// layout.h draws the bytes. Here are the only functions that turn them into numbers and back, the
// seal, and the arithmetic between a size, an extent and a payload's offset:
//
//     start   payload                               end
//     | front | payload, rounded up to 16 .. | back |
//     <------------------- extent ------------------>
//
//     extent   = front + round_up(size, 16) + back     payload = start + front
//     on offer = extent - front - back                 (a node's size; at least 0)
//
// front is 16, for a header or a node; or 0 in a heap without headers: there a payload starts where
// its block does, a free block offers its whole extent, and only the block map tells live from
// free. back is 0; or 16, for the trailer, in a heap with redzones (redzone.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <new>
#include <optional>
#include <span>

#include "base/config.hpp"
#include "glassheap/layout.h"
#include "glassheap/types.hpp"

namespace glassheap {

using ::header_t;
using ::node_t;
using ::trailer_t;

static_assert(sizeof(header_t) == granule_size && sizeof(node_t) == granule_size &&
              sizeof(trailer_t) == granule_size);

// The extents of blocks, and the places of payloads in them. All in bytes.
struct Layout {
  Size front = sizeof(header_t);  // before each live payload: the header, or nothing
  Size back = 0;                  // after it and its rounding: the trailer, or nothing
  bool powers_of_two = false;     // extents are rounded up to powers of two, for the buddy policy
  bool shared = false;            // other processes allocate blocks too
  bool shadow = false;            // alignments count from the region's first byte, wherever it is

  [[nodiscard]] constexpr bool has_headers() const noexcept { return front != 0; }
  [[nodiscard]] constexpr Offset payload_of(Offset start) const noexcept { return start + front; }
  [[nodiscard]] constexpr Offset start_of(Offset payload) const noexcept { return payload - front; }
  [[nodiscard]] constexpr bool has_redzones() const noexcept { return back != 0; }
  [[nodiscard]] constexpr bool keeps_sizes() const noexcept { return front + back != 0; }
  [[nodiscard]] constexpr Size on_offer(Size extent) const noexcept {
    return extent - std::min(extent, front + back);
  }

  // The extent of a block with `size` bytes of payload; `size` is at most largest_region. A block
  // without header and payload still takes a granule, so that its address is its own.
  [[nodiscard]] constexpr Size extent_for(Size size) const noexcept {
    const Size extent = std::max(front + round_up(size, granule_size) + back, granule_size);
    return powers_of_two ? std::bit_ceil(extent) : extent;
  }

  // True if `size` bytes of payload make a block of exactly `extent` bytes. `size` may be any
  // number, such as one from a damaged header: nothing here wraps.
  [[nodiscard]] constexpr bool fills(Size size, Size extent) const noexcept {
    return size <= largest_region && extent == extent_for(size);
  }
  // The same for most blocks of a heap without redzones: a false may still be true.
  [[nodiscard]] static constexpr bool plainly_fills(Size size, Size extent, Size front) noexcept {
    return extent - front - size < granule_size;
  }
};

// What a function knows of a heap when it is compiled. The functions that nearly all calls take are
// compiled for each of three plain shapes, in which there are no redzones, and nothing is wiped:
//
//     headers, bare    live blocks have a header, or none; the heap is of one process
//     shared           other processes use the heap too; the layout tells of headers
//
// All other functions are compiled once, for any heap.
enum class Shape : std::uint8_t { any, headers, bare, shared };
[[nodiscard]] constexpr Size front_of(Shape shape, const Layout& layout) noexcept {
  if (shape == Shape::headers) return sizeof(header_t);
  return shape == Shape::bare ? 0 : layout.front;
}
// True if other processes may use the heap too.
[[nodiscard]] constexpr bool may_be_shared(Shape shape) noexcept {
  return shape == Shape::any || shape == Shape::shared;
}

// The largest block at the start of `span`, and within it, that repeated halving of the region can
// yield: a power of two that starts at a multiple of itself.
[[nodiscard]] constexpr Block first_piece(Block span) noexcept {
  const Size largest = std::bit_floor(span.extent);
  const Size multiple = span.start & (~span.start + 1);  // the largest power of two that divides it
  return {span.start, span.start == 0 ? largest : std::min(largest, multiple)};
}

// Links to offsets and back. The null link is the link to `nowhere`.
static_assert(nowhere / granule_size == GLASSHEAP_NIL);
[[nodiscard]] constexpr std::uint32_t link_to(Offset start) noexcept {
  return static_cast<std::uint32_t>(start / granule_size);
}
[[nodiscard]] constexpr Offset linked(std::uint32_t link) noexcept {
  return Offset{link} * granule_size;
}

// A request for one block: its whole extent, and the alignment of its payload.
struct Request {
  Size extent;
  Size align;
};

// The keyed check in a header: 16 bits of a multiply-and-fold over the header's other fields and
// the block's offset, under a random key for each heap. A header that was copied, replayed or
// forged passes with a probability of 1 in 65,536.
class Sealer {
 public:
  Sealer();  // a random key from the system; from the clock if the system gives none
  explicit Sealer(const Key& key) noexcept : key_(key) {}

  [[nodiscard]] const Key& key() const noexcept { return key_; }

  // The first product spreads the size to the bits above it; the rotation brings these down, and the
  // second product spreads all of them to the topmost ones, which are the seal. Each field comes in
  // below these, so that what a change does to the seal depends on the key.
  [[nodiscard]] std::uint16_t seal(Offset start, const header_t& header) const noexcept {
    const std::uint64_t others = std::uint64_t{header.serial} << 32 | header.magic;
    return static_cast<std::uint16_t>(mix(start, header.size, others) >> 48);
  }
  // The seal in the highest 16 bits. `others` are serial and magic, as in the header's second word.
  [[nodiscard]] std::uint64_t mix(Offset start, Size size, std::uint64_t others) const noexcept {
    if constexpr (!checking) return 0;
    const std::uint64_t spread =
        std::rotl((size ^ key_[0]) * 0x9E3779B97F4A7C15U, 32);  // 2^64 / golden ratio
    return ((spread + start) ^ others ^ key_[1]) * 0xD6E8FEB86659FD93U;
  }
  // The same in 64 bits, over a payload's size and its block's end.
  [[nodiscard]] std::uint64_t check(Offset end, Size size) const noexcept {
    std::uint64_t mixed = (size ^ key_[1]) * 0x9E3779B97F4A7C15U;
    mixed = ((mixed ^ mixed >> 32) ^ end ^ key_[0]) * 0xD6E8FEB86659FD93U;
    return mixed ^ mixed >> 32;
  }

 private:
  Key key_{};
};

// The region's bytes, read and written as fronts and backs of blocks and as payloads.
class BlockBytes {
 public:
  BlockBytes(std::span<std::byte> region, Layout block_layout, std::uint32_t magic,
             std::byte fill = std::byte{0}, const Key* key = nullptr)
      : layout(block_layout),
        first_(region.data()),
        size_(region.size()),
        magic_(magic),
        fill_(fill),
        fill_word_(std::to_integer<std::uint64_t>(fill) * 0x0101010101010101U),
        sealer_(key != nullptr ? Sealer(*key) : Sealer()) {}

  const Layout layout;

  [[nodiscard]] Size size() const noexcept { return size_; }
  [[nodiscard]] std::uint32_t magic() const noexcept { return magic_; }

  [[nodiscard]] header_t header(Offset start) const noexcept { return read<header_t>(start); }
  // Returns true if the header at `start` has the heap's magic number, and a seal for its fields.
  [[nodiscard]] bool is_sealed(Offset start) const noexcept {
    const std::uint64_t word = second_word(start);
    const std::uint64_t seal = sealer_.mix(start, read<Size>(start), word << 16 >> 16) ^ word;
    return static_cast<std::uint32_t>(word) == magic_ && seal >> 48 == 0;
  }
  [[nodiscard]] node_t node(Offset start) const noexcept { return read<node_t>(start); }
  [[nodiscard]] std::uint16_t seal(Offset start, const header_t& header) const noexcept {
    return sealer_.seal(start, header);
  }
  // Loads the front of the block with this payload, which may be any number, into the cache.
  void prefetch(Offset payload) const noexcept {
    __builtin_prefetch(reinterpret_cast<const void*>(real_address(payload) - layout.front));
  }

  // Writes the front of a block that becomes live. Without headers it is part of the payload, and
  // the node is erased from it.
  template <Shape shape>
  void write_header_as(Offset start, Size size, std::uint16_t serial) noexcept {
    if (front_of(shape, layout) == 0) {
      scrub_as<shape>(start);
      return;
    }
    const std::uint64_t others = std::uint64_t{serial} << 32 | magic_;
    const std::uint64_t seal = sealer_.mix(start, size, others) & ~(~std::uint64_t{0} >> 16);
    write(start, std::bit_cast<Words>(header_of(size, others | seal)));
  }
  void write_header(Offset start, Size size, std::uint16_t serial) noexcept {
    write_header_as<Shape::any>(start, size, serial);
  }
  // The front of a free block: the size on offer; the link to the next free block of its list, and
  // the number of its record.
  template <Shape shape = Shape::any>
  void write_size(Block free) noexcept {
    write(free.start, Word{on_offer<shape>(free.extent)});
  }
  void write_links(Offset start, std::uint32_t next, std::uint32_t record) noexcept {
    write(start + offsetof(node_t, next), Links{next, record});
  }
  // Returns true if the node of the free block has the size that it must have, or these links.
  template <Shape shape = Shape::any>
  [[nodiscard]] bool offers(Block free) const noexcept {
    return read<Size>(free.start) == on_offer<shape>(free.extent);
  }
  [[nodiscard]] bool links_to(Offset start, std::uint32_t next,
                              std::uint32_t record) const noexcept {
    return read<std::uint64_t>(start + offsetof(node_t, next)) ==
           std::bit_cast<std::uint64_t>(Links{next, record});
  }
  // Changes the link of a node from `old` to `now`. A link that a program has overwritten stays as
  // it is: the call that takes the block, or merges it, reports the node.
  void replace_next(Offset node, std::uint32_t old, std::uint32_t now) noexcept {
    const Offset next = node + offsetof(node_t, next);
    if (read<std::uint32_t>(next) == old) [[likely]]
      write(next, Link{now});
  }

  // Erases the front of a block that no longer exists: no later payload shows it.
  template <Shape shape>
  void scrub_as(Offset start) noexcept {
    const std::uint64_t fill = shape == Shape::any ? fill_word_ : 0;
    write(start, Words{fill, fill});
  }
  void scrub(Offset start) noexcept { scrub_as<Shape::any>(start); }
  // Fills memory with the byte of free memory: 0, or 0xDD in a heap with redzones unless it has
  // zero_on_free. The bytes must not be poisoned.
  void fill(Offset at, Size size) noexcept { set(at, size, fill_); }
  void set(Offset at, Size size, std::byte value) noexcept {
    std::memset(first_ + at, std::to_integer<int>(value), size);
    crash_point();
  }
  [[nodiscard]] std::byte free_fill() const noexcept { return fill_; }
  [[nodiscard]] const std::byte* bytes(Offset at) const noexcept { return first_ + at; }
  void copy(Offset to, Offset from, Size size) noexcept {
    std::memcpy(first_ + to, first_ + from, size);
    crash_point();
  }
  // The trailer of a live block, in a heap with redzones: the size again, and its keyed check.
  [[nodiscard]] trailer_t trailer(Block block) const noexcept {
    return read<trailer_t>(block.end() - sizeof(trailer_t));
  }
  [[nodiscard]] trailer_t trailer_for(Block block, Size size) const noexcept {
    return {size, sealer_.check(block.end(), size)};
  }
  void write_trailer(Block block, Size size) noexcept {
    write(block.end() - sizeof(trailer_t), trailer_for(block, size));
  }
  // Save and restore all sixteen bytes at the front, whatever they mean.
  [[nodiscard]] header_t save(Offset start) const noexcept { return header(start); }
  void restore(Offset start, const header_t& saved) noexcept { write(start, saved); }

  // The lowest start in `free` at which a block for `request` fits with its payload aligned.
  [[nodiscard]] std::optional<Offset> place(Block free, const Request& request) const noexcept {
    const Address payload = aligned_address(layout.payload_of(free.start));
    const Offset start = free.start + (round_up(payload, request.align) - payload);
    if (start > free.end() || free.end() - start < request.extent) return std::nullopt;
    return start;
  }
  [[nodiscard]] bool is_aligned(Offset payload, Size align) const noexcept {
    return (aligned_address(payload) & (align - 1)) == 0;
  }

 private:
  // A header's second word as a number: magic in the low 32 bits, then serial, and seal. On a
  // little-endian machine that is the word in memory.
  [[nodiscard]] std::uint64_t second_word(Offset start) const noexcept {
    if constexpr (std::endian::native == std::endian::little)
      return read<std::uint64_t>(start + offsetof(header_t, magic));
    const header_t found = header(start);
    return found.magic | std::uint64_t{found.serial} << 32 | std::uint64_t{found.seal} << 48;
  }
  [[nodiscard]] static header_t header_of(Size size, std::uint64_t second_word) noexcept {
    return {size, static_cast<std::uint32_t>(second_word),
            static_cast<std::uint16_t>(second_word >> 32),
            static_cast<std::uint16_t>(second_word >> 48)};
  }

  // What is written has a type of its own: then the compiler knows that it overwrites no number of
  // the heap, and keeps those in registers.
  struct Word {
    std::uint64_t word;
  };
  struct Words {
    std::uint64_t first, second;
  };
  struct Link {
    std::uint32_t link;
  };
  struct Links {
    std::uint32_t next, record;
  };

  template <Shape shape>
  [[nodiscard]] Size on_offer(Size extent) const noexcept {
    return may_be_shared(shape) ? layout.on_offer(extent) : extent - front_of(shape, layout);
  }
  // The heap itself may read and write bytes that are poisoned for all other code (redzone.hpp).
  template <typename Value>
  [[nodiscard]] GLASSHEAP_NO_ASAN Value read(Offset at) const noexcept {
    Value value{};
    std::memcpy(&value, first_ + at, sizeof value);
    return value;
  }
  template <typename Value>
  GLASSHEAP_NO_ASAN void write(Offset at, const Value& value) noexcept {
    ::new (first_ + at) Value(value);
    crash_point();
  }
  // The address of which a payload's alignment is one.
  [[nodiscard]] Address aligned_address(Offset at) const noexcept {
    return layout.shadow ? at : real_address(at);
  }
  [[nodiscard]] Address real_address(Offset at) const noexcept {
    return reinterpret_cast<Address>(first_) + at;
  }

  std::byte* first_;
  Size size_;
  std::uint32_t magic_;
  std::byte fill_;
  std::uint64_t fill_word_;  // eight times that byte
  Sealer sealer_;
};

}  // namespace glassheap
