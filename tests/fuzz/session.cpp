// session.cpp: how an input is read as options, steps and arguments.
//
// An input must mean the same in every build, so that the kept corpus stays valid: each draw is a
// statement of its own, because the order of evaluation inside one is up to the compiler.

#include "session.hpp"

#include <string>

namespace glassheap::fuzzing {
namespace {

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

}  // namespace

Session::Session(std::string_view policy, Input in) : in_(in), heap_(draw_options(policy, in_)) {}

void Session::run() {
  for (int steps = 0; !in_.empty() && steps < most_steps; ++steps) step();
  heap_.inspect();
  heap_.close();
}

// The order of this table is part of the meaning of an input: new steps must be added at the end.
void Session::step() {
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
}

// --- The steps of a program. --------------------------------------------------------------------

void Session::do_malloc() {
  const Size size = in_.size();
  const Size align = in_.flag() ? in_.align() : granule_size;
  heap_.malloc(size, align);
}

// The largest free block, whole or a byte more.
void Session::do_malloc_exact() {
  const Size largest = heap_.view().stats.largest_free;
  heap_.malloc(largest + in_.below(2), granule_size);
}

void Session::do_calloc() {
  const Size count = in_.flag() ? in_.size() : in_.below(16);
  const Size size = in_.size();
  heap_.calloc(count, size);
}

void Session::do_free() {
  if (const auto allocation = any_live(); allocation != live().end()) heap_.free(allocation->first);
}

void Session::do_realloc() {
  const auto allocation = any_live();
  if (allocation == live().end()) return;
  const Size size = in_.size();
  const Size align = in_.flag() ? in_.align() : granule_size;
  heap_.realloc(allocation->first, size, align);
}

void Session::do_free_any() { heap_.free(any_pointer()); }

void Session::do_realloc_any() {
  const Address payload = any_pointer();
  const Size size = in_.size();
  const Size align = in_.flag() ? in_.align() : granule_size;
  heap_.realloc(payload, size, align);
}

void Session::do_malloc_many() {
  std::vector<Size> sizes(in_.below(12));
  for (Size& size : sizes) size = in_.size();
  heap_.malloc_many(sizes);
}

void Session::do_free_many() {
  std::vector<Address> payloads(in_.below(10));
  for (Address& payload : payloads)
    payload = in_.below(8) == 0 ? any_pointer() : any_live_payload();
  heap_.free_many(payloads);
}

void Session::do_acquire() {
  const Size size = in_.size();
  const Size align = in_.flag() ? in_.align() : granule_size;
  if (const auto held = heap_.acquire(size, align)) handles_.push_back(*held);
}

void Session::do_release() {
  if (!handles_.empty()) heap_.release(any_handle());
}

void Session::do_pin() {
  const Address payload = in_.below(4) == 0 ? any_pointer() : any_live_payload();
  heap_.pin(payload);
}

void Session::do_pin_handle() {
  if (!handles_.empty()) heap_.pin(any_handle());
}

void Session::do_unpin() { heap_.unpin_lowest(); }

void Session::do_query() {
  heap_.query(any_pointer());
  if (!handles_.empty()) heap_.query(any_handle());
}

void Session::do_inspect() { heap_.inspect(); }

void Session::do_reset() { heap_.reset(); }

// --- The steps that write into the region. ------------------------------------------------------

// Writes into a payload: bytes that ascend from one byte of the input.
void Session::do_write_payload() {
  const auto allocation = any_live();
  if (allocation == live().end() || allocation->second.size == 0) return;
  const Size length = 1 + in_.below(std::min<Size>(allocation->second.size, 64));
  const std::byte first{in_.byte()};
  std::vector<std::byte> data(length);
  for (Size i = 0; i < length; ++i) data[i] = first ^ static_cast<std::byte>(i);
  heap_.write(allocation->first, data);
}

// Writes past the end of a payload: into the rounding, and into the next block.
void Session::do_write_past_payload() {
  const Address payload = any_live_payload();
  if (payload == 0) return;
  const Address end = payload + live().at(payload).size;
  heap_.write(end, any_bytes(1 + in_.below(40)));
}

// Writes into a header or node, as an underflow or a write after free does.
void Session::do_write_front() {
  const HeapView now = heap_.view();
  const Address start = now.blocks[in_.below(now.blocks.size())].start;
  const Size at = in_.below(16);
  heap_.write(start + at, any_bytes(1 + in_.below(16)));
}

void Session::do_write_any() {
  const Address at = any_place();
  heap_.write(at, any_bytes(1 + in_.below(24)));
}

void Session::do_write_free() {
  const HeapView now = heap_.view();
  if (now.free_list.empty()) return;
  const Address start = now.free_list[in_.below(now.free_list.size())].address;
  const Size at = in_.below(32);
  heap_.write(start + at, any_bytes(1 + in_.below(16)));
}

// Copies the first 16 bytes of a block to another granule: a forged header, that of another block,
// or an earlier one of the same block.
void Session::do_copy_front() {
  const HeapView now = heap_.view();
  if (in_.flag() || saved_front_.empty()) {
    const Address from = now.blocks[in_.below(now.blocks.size())].start;
    const auto front = now.bytes.begin() + static_cast<long>(from - heap_.base());
    saved_front_.assign(front, front + granule_size);
  }
  if (in_.flag()) heap_.write(any_place() / granule_size * granule_size, saved_front_);
}

// Writes a link to a block, or one granule beyond its start; random bytes seldom make such a link.
void Session::do_forge_link() {
  const HeapView now = heap_.view();
  if (now.free_list.empty()) return;
  const Address node = now.free_list[in_.below(now.free_list.size())].address;
  Address target = now.blocks[in_.below(now.blocks.size())].start;
  target += 16 * in_.below(2);
  const auto link = static_cast<std::uint32_t>((target - heap_.oracle().origin()) / granule_size);
  std::vector<std::byte> data(sizeof link);
  std::memcpy(data.data(), &link, sizeof link);
  heap_.write(node + (in_.flag() ? offsetof(node_t, next) : offsetof(node_t, prev)), data);
}

// --- Draws. -------------------------------------------------------------------------------------

Session::Live::const_iterator Session::any_live() {
  if (live().empty()) return live().end();
  return std::next(live().begin(), static_cast<long>(in_.below(live().size())));
}

Address Session::any_live_payload() {
  const auto allocation = any_live();
  return allocation == live().end() ? 0 : allocation->first;
}

Address Session::any_place() { return heap_.base() + in_.number(2) % heap_.size(); }

// Any number as an address: a live one, one near it, a freed one, one in the region or at its end,
// and any other.
Address Session::any_pointer() {
  const std::size_t kind = in_.below(8);
  const Address payload = kind < 3 ? any_live_payload() : 0;
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
      return heap_.oracle().end() + in_.byte() - 128;
    default:
      return in_.flag() ? in_.number(8) : heap_.oracle().origin() + in_.byte() - 128;
  }
}

const HeldHandle& Session::any_handle() { return handles_[in_.below(handles_.size())]; }

std::vector<std::byte> Session::any_bytes(std::size_t length) {
  std::vector<std::byte> data(length);
  for (std::byte& byte : data) byte = std::byte{in_.byte()};
  return data;
}

}  // namespace glassheap::fuzzing
