// coding.hpp: events and marks as bytes, and back.
//
// An event begins with a byte that tells what follows:
//
//     bit    0..2   kind of event; mark_code: a mark
//     bit    3      a byte with the alignment's exponent
//     bit    4      the tag
//     bit    5      the thread, which is another one than before
//     bits   6, 7   ticks since the event before: 0, 1, 2, or 3: the number follows
//
//     | head | align | tag | thread | ticks | address | result | size |
//
// malloc has address and size; realloc all three; free the address; failed_malloc and failed_part
// the size; failed_realloc address and size. An address is the folded difference to the one before it, in
// units that all addresses are multiples of. Of a realloc that moved nothing, the result is a zero.
//
// A mark is | mark_code | kind | number | length of the text | text |.
//
// Writer and reader begin each frame anew, so a frame can be read without those before it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "trace/event.hpp"
#include "trace/varint.hpp"

namespace glassheap::trace {

inline constexpr unsigned kind_bits = 3;
inline constexpr unsigned mark_code = 7;
inline constexpr unsigned has_align = 1 << 3;
inline constexpr unsigned has_tag = 1 << 4;
inline constexpr unsigned has_thread = 1 << 5;
inline constexpr unsigned ticks_shift = 6;
inline constexpr std::uint64_t ticks_follow = 3;

// The bytes of an event, and of a mark beside its text, at most.
inline constexpr std::size_t longest_event = 2 + 6 * longest_varint;
inline constexpr std::size_t mark_head = 2 + 2 * longest_varint;
inline constexpr std::size_t longest_text = 2048;  // bytes; longer ones are clipped

[[nodiscard]] constexpr bool has_address(EventKind kind) noexcept {
  return kind != EventKind::failed_malloc && kind != EventKind::failed_part;
}
[[nodiscard]] constexpr bool has_size(EventKind kind) noexcept { return kind != EventKind::free; }

// The values that the next event differs from, and the unit of addresses: 1 << shift bytes.
struct Context {
  unsigned shift = 0;
  std::uint64_t address = 0;  // in units
  std::uint64_t thread = 0;
  std::uint64_t time = 0;

  void begin_frame() noexcept { *this = {.shift = shift}; }
};

class EventWriter {
 public:
  explicit constexpr EventWriter(unsigned shift = 0) noexcept : context_{.shift = shift} {}

  void begin_frame() noexcept { context_.begin_frame(); }

  // Return the place behind what they write.
  std::byte* put(std::byte* at, const Event& event) noexcept {
    std::byte* const head = at++;
    auto bits = static_cast<unsigned>(event.kind);
    if (event.align != 0) {
      bits |= has_align;
      *at++ = static_cast<std::byte>(std::countr_zero(event.align));
    }
    if (event.tag != 0) {
      bits |= has_tag;
      at = put_varint(at, event.tag);
    }
    if (event.thread != context_.thread) {
      bits |= has_thread;
      at = put_varint(at, context_.thread = event.thread);
    }
    at = put_time(at, event.time, bits);
    *head = static_cast<std::byte>(bits);
    if (has_address(event.kind)) at = put_address(at, event.address);
    if (event.kind == EventKind::realloc) at = put_address(at, event.result);
    return has_size(event.kind) ? put_varint(at, event.size) : at;
  }
  static std::byte* put(std::byte* at, const Mark& mark) noexcept {
    *at++ = std::byte{mark_code};
    *at++ = static_cast<std::byte>(mark.kind);
    const std::size_t length = std::min(mark.text.size(), longest_text);
    at = put_varint(put_varint(at, mark.number), length);
    if (length != 0) std::memcpy(at, mark.text.data(), length);
    return at + length;
  }

 private:
  std::byte* put_time(std::byte* at, std::uint64_t time, unsigned& bits) noexcept {
    const std::uint64_t ticks = time - context_.time;
    context_.time = time;
    bits |= static_cast<unsigned>(std::min(ticks, ticks_follow)) << ticks_shift;
    return ticks < ticks_follow ? at : put_varint(at, ticks);
  }
  std::byte* put_address(std::byte* at, std::uint64_t address) noexcept {
    const std::uint64_t unit = address >> context_.shift;
    const std::uint64_t difference = unit - context_.address;
    context_.address = unit;
    return put_varint(at, fold(difference));
  }

  Context context_;
};

class EventReader {
 public:
  explicit EventReader(unsigned shift = 0) noexcept : context_{.shift = shift} {}

  void begin_frame(const std::byte* at, const std::byte* end) noexcept {
    at_ = at;
    end_ = end;
    context_.begin_frame();
  }
  [[nodiscard]] bool at_end() const noexcept { return at_ == end_; }
  // Returns true if a mark is next. Not at the end.
  [[nodiscard]] bool at_mark() const noexcept {
    return (static_cast<unsigned>(*at_) & mark_code) == mark_code;
  }

  // Return false if the bytes are damaged.
  [[nodiscard]] bool get(Event& event) noexcept {
    const auto head = static_cast<unsigned>(*at_++);
    event.kind = static_cast<EventKind>(head & ((1 << kind_bits) - 1));
    if (event.kind > EventKind::failed_part) return false;
    if (!get_details(head, event)) return false;
    event.address = event.result = event.size = 0;
    if (has_address(event.kind) && !get_address(event.address)) return false;
    if (event.kind == EventKind::realloc && !get_address(event.result)) return false;
    return !has_size(event.kind) || get_varint(at_, end_, event.size);
  }
  [[nodiscard]] bool get(Mark& mark) noexcept {
    if (end_ - at_ < 2) return false;
    mark.kind = static_cast<MarkKind>(at_[1]);
    at_ += 2;
    std::uint64_t length = 0;
    if (!get_varint(at_, end_, mark.number) || !get_varint(at_, end_, length)) return false;
    if (mark.kind > MarkKind::reset || std::cmp_greater(length, end_ - at_)) return false;
    mark.text = {reinterpret_cast<const char*>(at_), length};
    at_ += length;
    return true;
  }

 private:
  bool get_details(unsigned head, Event& event) noexcept {
    event.align = 0;
    std::uint64_t tag = 0;
    if ((head & has_align) != 0 && !get_align(event.align)) return false;
    if ((head & has_tag) != 0 && !get_varint(at_, end_, tag)) return false;
    if (tag > UINT32_MAX) return false;
    event.tag = static_cast<std::uint32_t>(tag);
    if ((head & has_thread) != 0 && !get_varint(at_, end_, context_.thread)) return false;
    event.thread = context_.thread;
    std::uint64_t ticks = head >> ticks_shift;
    if (ticks == ticks_follow && !get_varint(at_, end_, ticks)) return false;
    event.time = context_.time += ticks;
    return true;
  }
  bool get_align(std::uint64_t& align) noexcept {
    if (at_ == end_) return false;
    const auto exponent = static_cast<unsigned>(*at_++);
    if (exponent > 63) return false;
    align = std::uint64_t{1} << exponent;
    return true;
  }
  bool get_address(std::uint64_t& address) noexcept {
    std::uint64_t folded = 0;
    if (!get_varint(at_, end_, folded)) return false;
    context_.address += unfold(folded);
    address = context_.address << context_.shift;
    return true;
  }

  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
  Context context_;
};

}  // namespace glassheap::trace
