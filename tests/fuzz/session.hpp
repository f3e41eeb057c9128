// session.hpp: a heap, and a caller who does with it whatever the input says: what a program does,
// what a faulty one does, and what a hostile one would.
//
// What is held to be true depends on what was done to the heap's own bytes:
//
//     sound     nobody wrote over a header or a node, nor, where the heap is watched, anywhere but
//               into payloads. Each call comes out exactly as the shadow says, check() finds
//               nothing, and what was written into a block is found there again
//     hurt      somebody did, and the heap has not noticed yet. A call may be refused for that; if
//               it is served, it is served as in a sound heap, and no payload is touched
//     damaged   the heap has noticed. Nothing can be changed but by reset(), which brings it back
//
// In every state: a refused call changes nothing, the blocks tile the region, and the live ones are
// those that were handed out. That no call runs for ever or touches a byte outside the region is
// seen by the fuzzer's clock, by the guard page behind the region, and by AddressSanitizer.
#pragma once

#include <string>

#include "glassheap/layout.h"
#include "input.hpp"
#include "shadow.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define GLASSHEAP_FUZZ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GLASSHEAP_FUZZ_ASAN 1
#endif
#endif
#ifdef GLASSHEAP_FUZZ_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace glassheap::fuzzing {

// Makes the bytes between the guard page and the region, which nobody uses, bytes that nobody may
// touch; behind the region the guard page is.
class Moat {
 public:
  explicit Moat(Address region) : region_(region) { fill(true); }
  Moat(const Moat&) = delete;
  Moat& operator=(const Moat&) = delete;
  ~Moat() { fill(false); }

 private:
  void fill([[maybe_unused]] bool poison) const {
#ifdef GLASSHEAP_FUZZ_ASAN
    const Size width = region_ % 4096;
    const auto* const from = std::bit_cast<const void*>(region_ - width);
    if (poison) {
      __asan_poison_memory_region(from, width);
    } else {
      __asan_unpoison_memory_region(from, width);
    }
#endif
  }

  [[maybe_unused]] Address region_;
};

// How the heap is opened. Every option is a line here, and costs the input a byte or less. One bit
// says of sequential_fit that it is drawn, and of the others that they are watched.
inline Options draw_options(std::string_view policy, Input& in) {
  Options options;
  options.policy = policy;
  const std::uint8_t flags = in.byte();
  options.headers = (flags & 1) == 0;
  options.zero_on_free = (flags & 2) != 0;
  options.threads = (flags & 4) == 0;
  if ((flags & 8) != 0) options.magic = static_cast<std::uint32_t>(in.number(4));
  if ((flags & 16) != 0) options.base = (flags & 32) != 0 ? 0x12340 : 0;
  bool watched = (flags & 64) != 0;
  if (watched && policy == "sequential_fit") {
    options.fit = static_cast<Fit>(in.below(3));
    options.order = static_cast<Order>(in.below(5));
    const std::uint8_t more = in.byte();
    options.coalesce = (more & 1) != 0;
    watched = (more & 2) != 0;
  }
  if (watched) options.checks = Checks::debug;
  options.size = options.least_size() + 16 * Size{in.byte()} + ((flags & 128) != 0 ? 2048 : 0);
  return options;
}

class Session {
 public:
  Session(std::string_view policy, Input in)
      : in_(in),
        heap_(open(draw_options(policy, in_))),
        moat_(heap_->address()),
        shadow_(*heap_),
        first_list_(Sight(*heap_).list) {}

  void run() {
    for (int steps = 0; !in_.empty() && steps < most_steps; ++steps) step();
    look_at_everything();
    close();
  }

 private:
  static constexpr int most_steps = 400;

  struct Held {
    Handle handle;
    std::uint64_t id;  // of the allocation
  };

  static std::unique_ptr<Heap> open(const Options& options) {
    Fault fault;
    std::unique_ptr<Heap> heap = Heap::open(options, fault);
    require(heap != nullptr, "these options open a heap");
    return heap;
  }

  // Kept in this order: an input means what it did before as long as new steps come last.
  void step() {
    using Step = void (Session::*)();
    static constexpr Step steps[] = {
        &Session::do_malloc,       &Session::do_malloc,        &Session::do_malloc,
        &Session::do_malloc,       &Session::do_free,          &Session::do_free,
        &Session::do_free,         &Session::do_realloc,       &Session::do_realloc,
        &Session::do_calloc,       &Session::do_free_any,      &Session::do_realloc_any,
        &Session::do_malloc_many,  &Session::do_free_many,     &Session::do_acquire,
        &Session::do_release,      &Session::do_pin,           &Session::do_unpin,
        &Session::do_ask,          &Session::do_write_payload, &Session::do_overflow,
        &Session::do_write_front,  &Session::do_write_any,     &Session::do_copy_front,
        &Session::do_reset,        &Session::do_look,          &Session::do_pin_handle,
        &Session::do_malloc_exact, &Session::do_write_free,    &Session::do_forge_link,
    };
    (this->*steps[in_.below(std::size(steps))])();
  }

  // --- Calls. -----------------------------------------------------------------------------------

  // What the heap shows now.
  Sight look() { return Sight(*heap_); }

  // Makes a call that is to come out as `expected`, `none` being success, or else as `or_else`.
  // Whether it did what it was asked for.
  template <typename Call>
  bool change(const Sight& before, FaultKind expected, FaultKind or_else, Call call) {
    Fault fault;
    const bool done = call(fault);
    require(done == !fault, "a call is refused if and only if it says why");
    if (!done) refused(before, fault);
    if (damaged_before(fault)) return false;
    const bool as_hurt = hurt_ && (is_corruption(fault.kind) ||
                                   (!done && expected == FaultKind::none && short_of(fault)));
    require(fault.kind == expected || fault.kind == or_else || as_hurt,
            "a call comes out as it must");
    if (done) compare_with_map();
    return done;
  }
  template <typename Call>
  bool change(const Sight& before, FaultKind expected, Call call) {
    return change(before, expected, expected, call);
  }

  // Where the heap was known to be damaged, that is the reason why nothing is changed.
  [[nodiscard]] bool damaged_before(const Fault& fault) {
    const bool was_damaged = damaged_;
    if (is_corruption(fault.kind)) damaged_ = true;
    require((fault.kind == FaultKind::heap_damaged) == was_damaged,
            "a damaged heap, and no other, is refused as damaged");
    return was_damaged;
  }
  // A policy that cannot follow its lists any further may have nothing to offer.
  [[nodiscard]] static bool short_of(const Fault& fault) {
    return fault.kind == FaultKind::out_of_memory;
  }

  void refused(const Sight& before, const Fault& fault) {
    const Sight after = look();
    require(same(before, after), "a refused call changes nothing");
    const std::uint64_t more = fault.kind == FaultKind::out_of_memory ? 1 : 0;
    require(after.stats.failures == before.stats.failures + more, "failures are counted");
    examine(fault);
  }
  void examine(const Fault& fault) {
    require(!sentence(fault).empty() && *name_of(fault.kind) != 0, "a fault has a sentence");
    if (!is_corruption(fault.kind)) return;
    require(hurt_, "corruption is found only where somebody wrote");
    require(fault.offset < heap_->size(), "corruption is somewhere in the region");
  }

  // A question, which changes nothing whatever the answer is.
  template <typename Ask>
  bool ask(FaultKind expected, FaultKind or_else, Ask question) {
    const Sight before = look();
    Fault fault;
    const bool yes = question(fault);
    require(same(before, look()), "a question changes nothing");
    if (fault) examine(fault);
    if (is_corruption(fault.kind)) damaged_ = true;
    const bool as_hurt = hurt_ && is_corruption(fault.kind);
    require(fault.kind == expected || fault.kind == or_else || as_hurt,
            "a question is answered as it must be");
    return yes;
  }

  // --- What a program does. ---------------------------------------------------------------------

  // One draw a statement: an input must mean the same whoever compiled this.
  void do_malloc() {
    const Size size = in_.size();
    get(size, in_.flag() ? in_.align() : granule_size);
  }

  // The largest free block can be had, whole.
  void do_malloc_exact() {
    const Sight before = look();
    get(before.stats.largest_free + in_.below(2), granule_size);
  }

  void get(Size size, Size align) {
    const Sight before = look();
    Address payload = 0;
    const bool done = change(before, shadow_.of_request(before, size, align), [&](Fault& fault) {
      payload = heap_->malloc(size, align, fault);
      if (payload != 0) keep(payload, size);
      return payload != 0;
    });
    if (done) require(payload % std::max(align, granule_size) == 0, "a payload is aligned");
  }

  void do_calloc() {
    const Size count = in_.flag() ? in_.size() : in_.below(16);
    const Size size = in_.size();
    Size total = 0;
    if (__builtin_mul_overflow(count, size, &total)) total = ~Size{0};
    const Sight before = look();
    Address payload = 0;
    change(before, shadow_.of_request(before, total, granule_size), [&](Fault& fault) {
      payload = heap_->calloc(count, size, fault);
      if (payload == 0) return false;
      require(is_zero(payload, total), "calloc gives zeros");
      keep(payload, total);
      return true;
    });
  }

  void do_free() {
    if (const auto taken = any_live(); taken != shadow_.live.end()) give_back(taken->first);
  }
  void do_realloc() {
    if (const auto taken = any_live(); taken != shadow_.live.end()) resize(taken->first);
  }
  void do_free_any() { give_back(any_pointer()); }
  void do_realloc_any() { resize(any_pointer()); }

  void give_back(Address payload) {
    const Sight before = look();
    const FaultKind expected = payload == 0 ? FaultKind::none : shadow_.of_pointer(before, payload);
    change(before, expected, or_freed_before(before, expected, payload), [&](Fault& fault) {
      if (!heap_->free(payload, fault)) return false;
      if (payload != 0) forget(payload);
      return true;
    });
  }

  void resize(Address payload) {
    const Size size = in_.size();
    const Size align = in_.flag() ? in_.align() : granule_size;
    const Sight before = look();
    const FaultKind expected = payload == 0 ? shadow_.of_request(before, size, align)
                                            : shadow_.of_realloc(before, payload, size, align);
    change(before, expected, or_freed_before(before, expected, payload), [&](Fault& fault) {
      const Address now = heap_->realloc(payload, size, align, fault);
      if (now != 0) moved(before, payload, now, size, align);
      return now != 0;
    });
  }
  void moved(const Sight& before, Address payload, Address now, Size size, Size align) {
    if (payload == 0) return keep(now, size);
    require(shadow_.live.contains(payload), "only a live block gets another size");
    require((payload == now) == shadow_.stays(before, payload, size, align),
            "a block stays where it can, and moves where it must");
    const Taken was = std::move(shadow_.live.at(payload));
    shadow_.live.erase(payload);
    Taken& taken = shadow_.note(now, size);
    if (payload == now) taken.id = was.id;
    const Size kept = std::min(was.size, size);
    // How much is copied is what the header says: where that was forged, so may the rest be.
    if (!hurt_) require(has(now, was.content, kept), "a payload moves with its block");
    taken.content.assign(bytes(now), bytes(now) + size);
  }

  // A wrong address may be known as freed before, or not any more.
  [[nodiscard]] FaultKind or_freed_before(const Sight& before, FaultKind expected,
                                          Address payload) const {
    const bool wrong =
        expected == FaultKind::interior_pointer || expected == FaultKind::foreign_pointer;
    return wrong && shadow_.may_be_freed_before(before, payload) ? FaultKind::double_free
                                                                 : expected;
  }

  // --- Batches. ---------------------------------------------------------------------------------

  void do_malloc_many() {
    std::vector<Size> sizes(in_.below(12));
    for (Size& size : sizes) size = in_.size();
    std::vector<Address> payloads(sizes.size());
    const Sight before = look();
    Fault fault;
    const bool done = heap_->malloc_many(sizes, payloads, fault);
    require(done == !fault, "a batch is refused if and only if it says why");
    if (!done) {
      refused(before, fault);
      if (!damaged_before(fault)) require_short(before, sizes, fault);
      return;
    }
    require(!damaged_, "a damaged heap serves no batch");
    for (std::size_t i = 0; i < sizes.size(); ++i) keep(payloads[i], sizes[i]);
    compare_with_map();
  }
  // What the first of a batch finds is what is there before; the others find less.
  void require_short(const Sight& before, const std::vector<Size>& sizes, const Fault& fault) {
    require(fault.kind == FaultKind::out_of_memory || (hurt_ && is_corruption(fault.kind)),
            "a batch is refused for want of memory");
    require(fault.index < sizes.size(), "a refused batch says which");
    require(fault.kind != FaultKind::out_of_memory ||
                (fault.shortage.requested == sizes[fault.index] &&
                 fault.shortage.available == before.stats.available &&
                 fault.shortage.largest == before.stats.largest_free),
            "a shortage is that of the heap as it was left");
    const bool served = shadow_.of_request(before, sizes[0], granule_size) == FaultKind::none;
    require(hurt_ || fault.index != 0 || !served, "the first of a batch is served as if alone");
  }

  void do_free_many() {
    std::vector<Address> payloads(in_.below(10));
    for (Address& payload : payloads)
      payload = in_.below(8) == 0 ? any_pointer() : any_live_payload();
    const Sight before = look();
    const auto [expected, or_else] = of_batch(before, payloads);
    std::vector<Address> given = payloads;
    change(before, expected, or_else, [&](Fault& fault) {
      if (!heap_->free_many(given, fault)) return false;
      for (const Address payload : payloads) {
        if (payload != 0) forget(payload);
      }
      return true;
    });
  }
  // The first that is pinned comes first; then what is wrong with any, in order; then the first
  // that came before.
  std::pair<FaultKind, FaultKind> of_batch(const Sight& before,
                                           const std::vector<Address>& payloads) {
    FaultKind bad = FaultKind::none;
    FaultKind or_else = FaultKind::none;
    std::map<Address, int> times;
    bool twice = false;
    for (const Address payload : payloads) {
      if (payload == 0) continue;
      const FaultKind kind = shadow_.of_pointer(before, payload);
      if (kind == FaultKind::pinned) return {kind, kind};
      twice = twice || ++times[payload] == 2;
      if (bad != FaultKind::none || kind == FaultKind::none) continue;
      bad = kind;
      or_else = or_freed_before(before, kind, payload);
    }
    if (bad == FaultKind::none && twice) bad = or_else = FaultKind::double_free;
    return {bad, or_else};
  }

  // --- Handles and pins. ------------------------------------------------------------------------

  void do_acquire() {
    const Size size = in_.size();
    const Size align = in_.flag() ? in_.align() : granule_size;
    const Sight before = look();
    Handle handle;
    const bool done = change(before, shadow_.of_request(before, size, align), [&](Fault& fault) {
      if (!heap_->acquire(size, align, handle, fault)) return false;
      keep(handle.address, size);
      return true;
    });
    if (!done) return;
    require(handle.size == size, "a handle knows its size");
    handles_.push_back({handle, shadow_.live.at(handle.address).id});
  }

  // A handle is current as long as its block is live and no other than it was. Without headers
  // nobody knows a block from the next one at the same address.
  [[nodiscard]] FaultKind of_handle(const Held& held) const {
    const auto taken = shadow_.live.find(held.handle.address);
    if (taken == shadow_.live.end() || held.handle.epoch != epoch_) return FaultKind::stale_handle;
    return shadow_.front() == 0 || taken->second.id == held.id ? FaultKind::none
                                                               : FaultKind::stale_handle;
  }
  // An old header that was written back where it stood is as good as it was.
  [[nodiscard]] FaultKind or_forged(const Held& held, FaultKind expected) const {
    if (!hurt_) return expected;
    if (expected == FaultKind::none) return FaultKind::stale_handle;
    return shadow_.live.contains(held.handle.address) ? FaultKind::none : expected;
  }

  void do_release() {
    if (handles_.empty()) return;
    const Held held = handles_[in_.below(handles_.size())];
    const Sight before = look();
    FaultKind expected = of_handle(held);
    if (expected == FaultKind::none && shadow_.live.at(held.handle.address).pins != 0)
      expected = FaultKind::pinned;
    change(before, expected, or_forged(held, expected), [&](Fault& fault) {
      if (!heap_->release(held.handle, fault)) return false;
      forget(held.handle.address);
      return true;
    });
  }

  void do_pin() {
    const Address payload = in_.below(4) == 0 ? any_pointer() : any_live_payload();
    const Sight before = look();
    FaultKind expected = shadow_.of_pointer(before, payload);
    if (expected == FaultKind::pinned) expected = FaultKind::none;
    Heap::Pinned pinned;
    if (ask(expected, or_freed_before(before, expected, payload),
            [&](Fault& fault) { return heap_->pin(payload, pinned, fault); }))
      hold(payload, pinned);
  }
  void do_pin_handle() {
    if (handles_.empty()) return;
    const Held held = handles_[in_.below(handles_.size())];
    const FaultKind expected = of_handle(held);
    Heap::Pinned pinned;
    if (ask(expected, or_forged(held, expected),
            [&](Fault& fault) { return heap_->pin(held.handle, pinned, fault); }))
      hold(held.handle.address, pinned);
  }
  void hold(Address payload, const Heap::Pinned& pinned) {
    require(shadow_.live.contains(payload), "only a live block is pinned");
    Taken& taken = shadow_.live.at(payload);
    ++taken.pins;
    require(pinned.data == bytes(payload), "a pin says where the bytes are");
    require(hurt_ || pinned.size == shadow_.shown(taken.size), "a pin says how many there are");
  }
  void do_unpin() {
    for (auto& [payload, taken] : shadow_.live) {
      if (taken.pins == 0) continue;
      --taken.pins;
      heap_->unpin(payload - shadow_.origin());
      return;
    }
  }

  // --- Questions. -------------------------------------------------------------------------------

  void do_ask() {
    const Address payload = any_pointer();
    const Sight before = look();
    FaultKind expected = shadow_.of_pointer(before, payload);
    if (expected == FaultKind::pinned) expected = FaultKind::none;
    const bool is_live = expected == FaultKind::none;
    require(seen([&](Fault& f) { return heap_->contains(payload, f); }) == is_live || hurt_,
            "a heap contains its live blocks and nothing else");
    Size usable = 0;
    const bool known = ask(expected, or_freed_before(before, expected, payload), [&](Fault& fault) {
      usable = heap_->usable_size(payload, fault);
      return !fault;
    });
    if (known)
      require(hurt_ || usable == shadow_.usable(shadow_.live.at(payload)), "what may be written");
    if (handles_.empty()) return;
    const Held held = handles_[in_.below(handles_.size())];
    const FaultKind current = of_handle(held);
    ask(current, or_forged(held, current),
        [&](Fault& fault) { return heap_->is_current(held.handle, fault); });
  }

  void do_look() { look_at_everything(); }

  // What every heap shows, hurt or not; and what a sound one does.
  void look_at_everything() {
    compare_with_map();
    compare_contents();
    const Sight now = look();
    compare_lists(now);
    compare_offers(now);
    if (!hurt_) compare_numbers(now);
    std::vector<BlockInfo> culprits;
    const Findings findings = seen([&](Fault& fault) { return heap_->check(fault, &culprits); });
    for (const Fault& finding : findings) examine(finding);
    require_live(culprits, findings.size());
    require(hurt_ || findings.empty(), "check() finds nothing in a sound heap");
    require(!surely_hurt_ || !findings.empty(), "check() finds what was written over");
    damaged_ = damaged_ || !findings.empty();
    require(same(now, look()), "check() changes nothing");
  }

  static void require_live(const std::vector<BlockInfo>& culprits, std::size_t findings) {
    require(culprits.size() == findings, "each finding has its culprit, or none");
    for (const BlockInfo& culprit : culprits)
      require(culprit.live || culprit.extent == 0, "who is named is a live block");
  }

  // The blocks tile the region, and the live ones are those that were handed out.
  void compare_with_map() {
    Address end = shadow_.origin();
    std::size_t live = 0;
    for (const BlockInfo& block : seen([&](Fault& fault) { return heap_->walk(fault); })) {
      require(block.start == end && block.extent != 0, "the blocks tile the region");
      end += block.extent;
      if (!block.live) continue;
      ++live;
      const auto taken = shadow_.live.find(block.address);
      require(taken != shadow_.live.end() && taken->second.extent == block.extent,
              "a live block is one that was handed out");
      require(hurt_ || block.size == shadow_.shown(taken->second.size), "a block has its size");
    }
    require(end == shadow_.end() && live == shadow_.live.size(), "no block is missing");
  }
  void compare_contents() {
    for (const auto& [payload, taken] : shadow_.live)
      require(has(payload, taken.content, taken.size), "a payload is its owner's alone");
  }
  // Every free block is in the list, once; where nodes were written over, some of them are.
  void compare_lists(const Sight& now) {
    std::vector<Address> listed;
    for (const FreeBlock& block : now.list) {
      const BlockInfo* const found = now.block_at(block.address);
      require(found != nullptr && !found->live && found->start == block.address &&
                  block.size == offer_of(shadow_.options(), found->extent),
              "what is listed is free");
      listed.push_back(block.address);
    }
    std::ranges::sort(listed);
    require(std::ranges::adjacent_find(listed) == listed.end(), "no block is listed twice");
    require(hurt_ || listed.size() == now.stats.free_blocks, "every free block is listed");
  }
  // What is free is known from the map, whatever the nodes say.
  static void compare_offers(const Sight& now) {
    Size available = 0;
    Size largest = 0;
    for (const BlockInfo& block : now.blocks) {
      if (block.live) continue;
      available += block.size;
      largest = std::max(largest, block.size);
    }
    const Stats& stats = now.stats;
    require(stats.available == available && stats.largest_free == largest, "sums of the free");
  }
  void compare_numbers(const Sight& now) {
    const Stats& stats = now.stats;
    require(stats.live_blocks == shadow_.live.size(), "live blocks are counted");
    require(stats.requested == shadow_.requested(), "requests are summed");
    require(stats.live_blocks + stats.free_blocks == now.blocks.size(), "blocks are counted");
    require(stats.used <= stats.peak_used && stats.peak_used <= stats.size, "peaks are peaks");
  }

  // --- What is written. -------------------------------------------------------------------------

  // A holder fills its block, with bytes of the input or with what looks like a header.
  void do_write_payload() {
    const auto taken = any_live();
    if (taken == shadow_.live.end() || taken->second.size == 0) return;
    const Size length = 1 + in_.below(std::min<Size>(taken->second.size, 64));
    const std::byte first{in_.byte()};
    std::vector<std::byte> text(length);
    for (Size i = 0; i < length; ++i) text[i] = first ^ static_cast<std::byte>(i);
    write(taken->first, text);
  }
  // A holder writes past the end of its block: into the rounding, and into what comes behind.
  void do_overflow() {
    const Address payload = any_live_payload();
    if (payload == 0) return;
    write(payload + shadow_.live.at(payload).size, drawn(1 + in_.below(40)));
  }
  // Whoever had a block goes on writing, or writes before its start.
  void do_write_front() {
    const Sight now = look();
    const Address start = now.blocks[in_.below(now.blocks.size())].start;
    const Size at = in_.below(16);
    write(start + at, drawn(1 + in_.below(16)));
  }
  void do_write_any() {
    const Address at = any_place();
    write(at, drawn(1 + in_.below(24)));
  }
  void do_write_free() {
    const Sight now = look();
    if (now.list.empty()) return;
    const Address start = now.list[in_.below(now.list.size())].address;
    const Size at = in_.below(32);
    write(start + at, drawn(1 + in_.below(16)));
  }
  // Sixteen bytes from one place to another: a forged header, a header from elsewhere, or a header
  // that stood there before.
  void do_copy_front() {
    const Sight now = look();
    if (in_.flag() || saved_.empty()) {
      const Address from = now.blocks[in_.below(now.blocks.size())].start;
      const auto front = now.bytes.begin() + static_cast<long>(from - heap_->base());
      saved_.assign(front, front + granule_size);
    }
    if (in_.flag()) write(any_place() / granule_size * granule_size, saved_);
  }
  // A link that leads to a block, or nearly to one, which bytes of the input seldom do.
  void do_forge_link() {
    const Sight now = look();
    if (now.list.empty()) return;
    const Address node = now.list[in_.below(now.list.size())].address;
    Address there = now.blocks[in_.below(now.blocks.size())].start;
    there += 16 * in_.below(2);
    const auto link = static_cast<std::uint32_t>((there - shadow_.origin()) / granule_size);
    std::vector<std::byte> text(sizeof link);
    std::memcpy(text.data(), &link, sizeof link);
    write(node + (in_.flag() ? offsetof(node_t, next) : offsetof(node_t, prev)), text);
  }

  std::vector<std::byte> drawn(std::size_t length) {
    std::vector<std::byte> text(length);
    for (std::byte& byte : text) byte = std::byte{in_.byte()};
    return text;
  }

  // Writes as far as the region goes, and sees to what that does to whom.
  void write(Address at, const std::vector<std::byte>& text) {
    const Sight before = look();
    const bool was_hurt = hurt_;
    surely_hurt_ = false;  // two writes together may make sense again
    for (std::size_t i = 0; i < text.size() && at + i < shadow_.end(); ++i)
      write(before, at + i, text[i]);
    if (hurt_ && !was_hurt) surely_hurt_ = true;
    surely_hurt_ = surely_hurt_ && !may_be_believed(before);
  }
  void write(const Sight& before, Address at, std::byte byte) {
    const BlockInfo* const block = before.block_at(at);
    if (block == nullptr || !overwrite(*bytes(at), byte)) return;
    const Owner owner = shadow_.owner(*block, at - block->start);
    if (owner == Owner::heap) hurt_ = true;
    if (owner == Owner::payload)
      shadow_.live.at(block->address).content[at - block->address] = byte;
  }
  // A seal of 16 bits, under a key that nobody knows, is hit by chance now and then. What is surely
  // found is a wrong magic number, a size that the block does not have, and whatever else is the
  // heap's: a node of any wrong byte, and in a watched heap any byte behind a payload, or of free
  // memory.
  [[nodiscard]] bool may_be_believed(const Sight& before) {
    const Sight after = look();
    return std::ranges::all_of(before.blocks, [&](const BlockInfo& block) {
      return may_be_believed(block, before, after);
    });
  }
  [[nodiscard]] bool may_be_believed(const BlockInfo& block, const Sight& before,
                                     const Sight& after) const {
    const Size at = block.start - heap_->base();
    const Size header = block.live ? shadow_.front() : 0;
    for (Size i = header; i < block.extent; ++i) {
      if (before.bytes[at + i] != after.bytes[at + i] && shadow_.owner(block, i) == Owner::heap)
        return false;
    }
    return std::memcmp(&before.bytes[at], &after.bytes[at], header) == 0 ||
           is_likely(after.bytes, at, block.extent);
  }
  // Whether a header may be that of a block of this extent, if its seal is.
  [[nodiscard]] bool is_likely(const std::vector<std::byte>& bytes, Size at, Size extent) const {
    header_t header;
    std::memcpy(&header, &bytes[at], sizeof header);
    return header.magic == shadow_.options().magic && header.size <= largest_region &&
           extent_of(shadow_.options(), header.size) == extent;
  }

  // --- The heap as a whole. ---------------------------------------------------------------------

  void do_reset() {
    compare_contents();
    const Sight before = look();
    Fault fault;
    const bool done = heap_->reset(fault);
    require(done == !shadow_.any_pinned(), "a heap is reset if and only if nothing is pinned");
    if (!done) {
      require(fault.kind == FaultKind::pinned, "a pinned heap says so");
      return refused(before, fault);
    }
    shadow_.live.clear();
    ++epoch_;
    hurt_ = damaged_ = surely_hurt_ = false;
    const Sight now = look();
    require(std::ranges::equal(now.list, first_list_,
                               [](const auto& a, const auto& b) { return same(a, b); }),
            "reset brings the heap back");
    look_at_everything();
  }

  void close() {
    Fault fault;
    if (shadow_.any_pinned()) {
      require(!heap_->close(fault) && fault.kind == FaultKind::pinned, "a pinned heap stays open");
      while (shadow_.any_pinned()) do_unpin();
    }
    fault = {};
    require(heap_->close(fault) && !fault && heap_->closed(), "a heap can be closed");
    require(heap_->malloc(1, granule_size, fault) == 0 && fault.kind == FaultKind::heap_closed,
            "a closed heap serves nobody");
  }

  // --- Choices. ---------------------------------------------------------------------------------

  std::map<Address, Taken>::iterator any_live() {
    if (shadow_.live.empty()) return shadow_.live.end();
    return std::next(shadow_.live.begin(), static_cast<long>(in_.below(shadow_.live.size())));
  }
  Address any_live_payload() {
    const auto taken = any_live();
    return taken == shadow_.live.end() ? 0 : taken->first;
  }
  // A place in the region, in the order of the input's first byte.
  Address any_place() { return heap_->base() + in_.number(2) % heap_->size(); }

  // Any number as an address: what is live, nearly so, what was, what could be, and what cannot.
  Address any_pointer() {
    const std::size_t kind = in_.below(8);
    const Address live = kind < 3 ? any_live_payload() : 0;
    switch (kind) {
      case 0:
      case 1:
        return live;
      case 2:
        return live + in_.byte() - 64;
      case 3:
      case 4:
        return freed_.empty() ? 0 : freed_[in_.below(freed_.size())];
      case 5:
        return any_place();
      case 6:
        return shadow_.end() + in_.byte() - 128;
      default:
        return in_.flag() ? in_.number(8) : shadow_.origin() + in_.byte() - 128;
    }
  }

  // --- Bookkeeping. -----------------------------------------------------------------------------

  [[nodiscard]] std::byte* bytes(Address address) const {
    return std::bit_cast<std::byte*>(heap_->address()) + (address - heap_->base());
  }
  [[nodiscard]] bool has(Address payload, const std::vector<std::byte>& content, Size size) const {
    return size == 0 || std::memcmp(bytes(payload), content.data(), size) == 0;
  }
  [[nodiscard]] bool is_zero(Address at, Size size) const {
    return std::all_of(bytes(at), bytes(at) + size, [](std::byte b) { return b == std::byte{}; });
  }

  // A block was handed out: its holder writes into it what nobody else would.
  void keep(Address payload, Size size) {
    require(!shadow_.live.contains(payload), "no address is handed out twice");
    require(payload >= shadow_.origin() + shadow_.front() && size <= shadow_.end() - payload,
            "a payload lies in the region");
    Taken& taken = shadow_.note(payload, size);
    taken.content.resize(size);
    for (Size i = 0; i < size; ++i)
      taken.content[i] = static_cast<std::byte>(taken.id * 31 + i * 7 + 1);
    if (size != 0) std::memcpy(bytes(payload), taken.content.data(), size);
  }
  void forget(Address payload) {
    const auto known = shadow_.live.find(payload);
    require(known != shadow_.live.end() && known->second.pins == 0, "only what is live is freed");
    if (shadow_.options().zero_on_free || is_watched(shadow_.options()))
      require_wiped(known->second);
    shadow_.live.erase(known);
    if (freed_.size() == most_freed) freed_.erase(freed_.begin());
    freed_.push_back(payload);
  }
  // Nothing is left of a block that was freed; at the front of the free block there is a node.
  void require_wiped(const Taken& taken) {
    const Sight now = look();
    const std::byte wiped{
        static_cast<unsigned char>(shadow_.options().zero_on_free ? 0 : GLASSHEAP_FREED)};
    for (Size i = 0; i < taken.extent; ++i) {
      const Address at = taken.start + i;
      const BlockInfo* const block = now.block_at(at);
      require(at - block->start < granule_size || now.bytes[at - heap_->base()] == wiped,
              "freed bytes are filled");
    }
  }

  static constexpr std::size_t most_freed = 16;

  Input in_;
  std::unique_ptr<Heap> heap_;
  Moat moat_;  // goes before the heap does
  Shadow shadow_;
  std::vector<FreeBlock> first_list_;
  std::vector<Held> handles_;
  std::vector<Address> freed_;
  std::vector<std::byte> saved_;
  std::uint64_t epoch_ = 0;
  bool hurt_ = false;
  bool surely_hurt_ = false;  // in a way that check() must find
  bool damaged_ = false;      // the heap has noticed
};

}  // namespace glassheap::fuzzing
