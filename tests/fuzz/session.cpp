// session.cpp: how an input is read as options, steps and arguments. CheckedHeap makes the calls,
// and checks their results.
//
// An input must mean the same in every build, so that the kept corpus stays valid: each draw is a
// statement of its own, because the order of evaluation inside one is up to the compiler.

#include "session.hpp"

#include <array>

#include "checked_heap.hpp"
#include "glassheap/layout.h"

namespace glassheap {
namespace {

// The bytes of an input, read as numbers. At its end, each further number is 0. Small numbers are
// read from single bytes, so that a change of one byte is a small change of the session; and the
// numbers at which arithmetic overflows have bytes of their own, because random bytes hardly ever
// make 2^64 - 16.
class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }
  // A number below `end`, which is at most 256; 0 if there is none.
  std::size_t below(std::size_t end) { return end == 0 ? 0 : byte() % end; }
  bool flag() { return byte() % 2 == 1; }

  std::uint64_t number(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | byte();
    return value;
  }
  // A request size: mostly one that fits many times, sometimes one that fits once or never.
  Size size() {
    const std::uint8_t first = byte();
    if (first < 208) return first;
    if (first < 240) return number(2) % 4200;
    constexpr std::array extremes = {largest_region - 16, largest_region - 15,  largest_region,
                                     largest_region + 1,  Size{1} << 63,        ~Size{0},
                                     ~Size{0} - 14,       ~Size{0} - 15,        ~Size{0} - 16,
                                     ~Size{0} - 31,       (Size{1} << 63) - 16, Size{1} << 32};
    return extremes[first % extremes.size()];
  }
  // An alignment: mostly the default; also powers of two, even too large ones, and other numbers.
  Size align() {
    const std::uint8_t first = byte();
    if (first < 128) return granule_size;
    if (first < 250) return Size{1} << (first % 14);
    return number(8);
  }

 private:
  std::span<const std::uint8_t> rest_;
};

constexpr int most_steps = 400;

// Draws the options of the heap: each costs a byte of the input or less. One bit selects drawn
// settings for sequential_fit, and debug checks for the other policies.
Options draw_options(std::string_view policy, Input& in) {
  Options options;
  options.policy = policy;
  const std::uint8_t flags = in.byte();
  options.headers = (flags & 1) == 0;
  options.zero_on_free = (flags & 2) != 0;
  options.threads = (flags & 4) == 0;
  if ((flags & 8) != 0) options.magic = static_cast<std::uint32_t>(in.number(4));
  if ((flags & 16) != 0) options.base = (flags & 32) != 0 ? 0x12340 : 0;
  bool debug = (flags & 64) != 0;
  if (debug && policy == "sequential_fit") {
    options.fit = static_cast<Fit>(in.below(3));
    options.order = static_cast<Order>(in.below(5));
    const std::uint8_t more = in.byte();
    options.coalesce = (more & 1) != 0;
    debug = (more & 2) != 0;
  }
  if (debug) options.checks = Checks::debug;
  options.size = options.least_size() + 16 * Size{in.byte()} + ((flags & 128) != 0 ? 2048 : 0);
  return options;
}

class Session {
 public:
  Session(std::string_view policy, Input in) : in_(in), heap_(draw_options(policy, in_)) {}

  // Runs every step of the input, and closes the heap.
  void run() {
    for (int steps = 0; !in_.empty() && steps < most_steps; ++steps) step();
    heap_.inspect();
    heap_.close();
  }

 private:
  // The order of this table is part of the meaning of an input: new steps must be added at the end.
  void step() {
    using Step = void (Session::*)();
    static constexpr Step steps[] = {
        &Session::do_malloc,       &Session::do_malloc,        &Session::do_malloc,
        &Session::do_malloc,       &Session::do_free,          &Session::do_free,
        &Session::do_free,         &Session::do_realloc,       &Session::do_realloc,
        &Session::do_calloc,       &Session::do_free_any,      &Session::do_realloc_any,
        &Session::do_malloc_many,  &Session::do_free_many,     &Session::do_acquire,
        &Session::do_release,      &Session::do_pin,           &Session::do_unpin,
        &Session::do_query,        &Session::do_write_payload, &Session::do_write_past_payload,
        &Session::do_write_front,  &Session::do_write_any,     &Session::do_copy_front,
        &Session::do_reset,        &Session::do_inspect,       &Session::do_pin_handle,
        &Session::do_malloc_exact, &Session::do_write_free,    &Session::do_forge_link,
    };
    (this->*steps[in_.below(std::size(steps))])();
    heap_.compare_blocks();
  }

  // --- The steps of a program. ------------------------------------------------------------------

  void do_malloc() {
    const Size size = in_.size();
    heap_.malloc(size, any_align());
  }
  // The largest free block, whole or a byte more.
  void do_malloc_exact() {
    const Size largest = heap_.model().stats().largest_free;
    heap_.malloc(largest + in_.below(2));
  }
  void do_calloc() {
    const Size count = in_.flag() ? in_.size() : in_.below(16);
    heap_.calloc(count, in_.size());
  }
  void do_free() { heap_.free(any_live()); }
  void do_realloc() {
    if (const Address payload = any_live(); payload != 0) realloc(payload);
  }
  void do_free_any() { heap_.free(any_pointer()); }
  void do_realloc_any() { realloc(any_pointer()); }
  void do_malloc_many() {
    std::vector<Size> sizes(in_.below(12));
    for (Size& size : sizes) size = in_.size();
    heap_.malloc_many(sizes);
  }
  void do_free_many() {
    std::vector<Address> payloads(in_.below(10));
    for (Address& payload : payloads) payload = in_.below(8) == 0 ? any_pointer() : any_live();
    heap_.free_many(payloads);
  }
  void do_acquire() {
    const Size size = in_.size();
    if (const auto held = heap_.acquire(size, any_align())) handles_.push_back(*held);
  }
  void do_release() {
    if (!handles_.empty()) heap_.release(any_handle());
  }
  void do_pin() { heap_.pin(in_.below(4) == 0 ? any_pointer() : any_live()); }
  void do_pin_handle() {
    if (!handles_.empty()) heap_.pin(any_handle());
  }
  void do_unpin() { heap_.unpin_lowest(); }
  void do_query() {
    heap_.query(any_pointer());
    if (!handles_.empty()) heap_.query(any_handle());
  }
  void do_inspect() { heap_.inspect(); }
  void do_reset() {
    heap_.reset();
    heap_.inspect();
  }

  void realloc(Address payload) {
    const Size size = in_.size();
    heap_.realloc(payload, size, any_align());
  }

  // --- The steps that write into the region. ----------------------------------------------------

  // Writes into a payload: bytes that ascend from one byte of the input.
  void do_write_payload() {
    const Address payload = any_live();
    if (payload == 0 || size_of(payload) == 0) return;
    const Size length = 1 + in_.below(std::min<Size>(size_of(payload), 64));
    const std::byte first{in_.byte()};
    std::vector<std::byte> data(length);
    for (Size i = 0; i < length; ++i) data[i] = first ^ static_cast<std::byte>(i);
    heap_.write(payload, data);
  }
  // Writes past the end of a payload: into the rounding, and into the next block.
  void do_write_past_payload() {
    const Address payload = any_live();
    if (payload != 0) heap_.write(payload + size_of(payload), any_bytes(1 + in_.below(40)));
  }
  // Writes into a header or node, as an underflow or a write after free does.
  void do_write_front() {
    const Address start = any_block();
    const Size at = in_.below(16);
    heap_.write(start + at, any_bytes(1 + in_.below(16)));
  }
  void do_write_any() {
    const Address at = any_place();
    heap_.write(at, any_bytes(1 + in_.below(24)));
  }
  void do_write_free() {
    const Address start = any_listed();
    if (start == nowhere) return;
    const Size at = in_.below(32);
    heap_.write(start + at, any_bytes(1 + in_.below(16)));
  }
  // Copies the first 16 bytes of a block to another granule: a forged header, that of another
  // block, or an earlier one of the same block.
  void do_copy_front() {
    if (in_.flag() || saved_front_.empty()) {
      const Address from = any_block();
      const auto bytes = heap_.view().bytes;
      const auto front = bytes.begin() + static_cast<long>(from - heap_->base());
      saved_front_.assign(front, front + granule_size);
    }
    if (in_.flag()) heap_.write(any_place() / granule_size * granule_size, saved_front_);
  }
  // Writes a link to a block, or one granule beyond its start; random bytes seldom make such a
  // link.
  void do_forge_link() {
    const Address node = any_listed();
    if (node == nowhere) return;
    Address target = any_block();
    target += 16 * in_.below(2);
    const auto link = static_cast<std::uint32_t>((target - heap_.model().origin()) / granule_size);
    heap_.write_number(node + (in_.flag() ? offsetof(node_t, next) : offsetof(node_t, record)),
                       link);
  }

  // --- Draws. -----------------------------------------------------------------------------------

  Size any_align() { return in_.flag() ? in_.align() : granule_size; }

  // The payload of a live block; 0 if there is none.
  Address any_live() {
    const auto& live = heap_.model().live();
    if (live.empty()) return 0;
    return std::next(live.begin(), static_cast<long>(in_.below(live.size())))->first;
  }
  [[nodiscard]] Size size_of(Address payload) const {
    return heap_.model().live().at(payload).size;
  }
  // The start of a block.
  Address any_block() {
    const auto blocks = heap_.view().blocks;
    return blocks[in_.below(blocks.size())].start;
  }
  // The start of a block that is in the heap's own free list; nowhere if that is empty.
  Address any_listed() {
    const auto list = heap_.view().free_list;
    return list.empty() ? nowhere : list[in_.below(list.size())].address;
  }
  Address any_place() { return heap_->base() + in_.number(2) % heap_->size(); }

  // Any number as an address: a live one, one near it, a freed one, one in the region or at its
  // end, and any other.
  Address any_pointer() {
    const std::size_t kind = in_.below(8);
    const Address payload = kind < 3 ? any_live() : 0;
    const std::vector<Address>& freed = heap_.freed();
    switch (kind) {
      case 0:
      case 1:
        return payload;
      case 2:
        return payload + in_.byte() - 64;
      case 3:
      case 4:
        return freed.empty() ? 0 : freed[in_.below(freed.size())];
      case 5:
        return any_place();
      case 6:
        return heap_.model().end() + in_.byte() - 128;
      default:
        return in_.flag() ? in_.number(8) : heap_.model().origin() + in_.byte() - 128;
    }
  }
  const HeldHandle& any_handle() { return handles_[in_.below(handles_.size())]; }
  std::vector<std::byte> any_bytes(std::size_t length) {
    std::vector<std::byte> data(length);
    for (std::byte& byte : data) byte = std::byte{in_.byte()};
    return data;
  }

  Input in_;
  CheckedHeap heap_;
  std::vector<HeldHandle> handles_;
  std::vector<std::byte> saved_front_;
};

}  // namespace

void play(std::string_view policy, std::span<const std::uint8_t> input) {
  Session(policy, Input(input)).run();
}

}  // namespace glassheap
