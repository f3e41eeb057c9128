#include "heap/thread_caches.hpp"

#include <algorithm>

namespace glassheap {
namespace {

// A slot holds at most a small part of the region, so that the heap is not exhausted by blocks that
// nobody uses. (If it is, the slots are emptied.)
constexpr Size most_bytes = Size{256} << 10;
constexpr Size part_of_region = 32;

// Adds to a sum that only one thread writes at a time.
template <typename Number>
void add(std::atomic<Number>& sum, Number more) noexcept {
  sum.store(sum.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

}  // namespace

ThreadCaches::ThreadCaches(CoreInterface& core, bool multithreaded)
    : core_(core),
      uncached_(*core.front_calls()),
      bytes_(core.bytes()),
      checker_(bytes_, core.map()),
      layout_(core.layout()),
      region_(bytes_.size()),
      places_(region_ / granule_size),
      limit_(std::min(most_bytes, region_ / part_of_region)),
      states_(make_zeroed<State>(places_)) {
  if (states_ == nullptr) throw std::bad_alloc();
  slots_.reserve(most_slots);
  while (slots_.size() < most_slots) slots_.push_back(std::make_unique<Slot>(multithreaded));
}

Size ThreadCaches::own_memory() const noexcept {
  return sizeof *this + places_ * sizeof(State) +
         slots_.size() * (sizeof(Slot) + sizeof(std::unique_ptr<Slot>));
}

// --- Slots. ------------------------------------------------------------------------------------

// Looks from the thread's own place on, so that a thread finds its slot again.
ThreadCaches::Slot& ThreadCaches::mine() noexcept {
  const Thread self = Lock::this_thread();
  const auto first = static_cast<std::size_t>(self * 0x9E3779B97F4A7C15U >> 60) % most_slots;
  for (std::size_t i = 0; i < most_slots; ++i) {
    Slot& slot = *slots_[(first + i) % most_slots];
    Thread owner = slot.thread.load(std::memory_order_relaxed);
    if (owner == 0 && slot.thread.compare_exchange_strong(owner, self)) owner = self;
    if (owner == self) return slot;
  }
  return *slots_[first];
}

bool ThreadCaches::lock_slots() noexcept {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i]->lock.lock(WaitMode::without_hook) == FaultKind::none) continue;
    while (i-- > 0) slots_[i]->lock.unlock();
    return false;
  }
  return true;
}

void ThreadCaches::unlock_slots() noexcept {
  for (const auto& slot : slots_) slot->lock.unlock();
}

// --- Taking and keeping, with the lock of the slot. --------------------------------------------

bool ThreadCaches::is_sound(Block block) const noexcept {
  return !checking || !layout_.has_headers() ||
         checker_.is_sound(block, bytes_.header(block.start));
}

// The next serial of this block. The core's own serials go on behind it (count()).
void ThreadCaches::reissue(Slot& slot, Offset start, Size size) noexcept {
  add(slot.sums.pairs, std::uint64_t{1});
  if (!layout_.has_headers()) return;
  const header_t header = bytes_.header(start);
  add(slot.sums.requested, size - header.size);
  bytes_.write_header(start, size, static_cast<std::uint16_t>(header.serial + 1));
}

Offset ThreadCaches::pop(Slot& slot, Size extent, Size size) noexcept {
  const std::size_t kind = extent / granule_size - 1;
  if (slot.counts[kind] == 0) return nowhere;
  const Block block{linked(slot.stacks[kind][slot.counts[kind] - 1U]), extent};
  if (!is_sound(block)) [[unlikely]]
    return suspect_.store(true, std::memory_order_relaxed), nowhere;
  --slot.counts[kind];
  slot.bytes -= extent;
  reissue(slot, block.start, size);
  state(block.start).store(static_cast<State>(kind + 1), std::memory_order_release);
  return block.start;
}

bool ThreadCaches::push(Slot& slot, Block block) noexcept {
  const std::size_t kind = block.extent / granule_size - 1;
  if (slot.counts[kind] == depth || slot.bytes + block.extent > limit_) return false;
  auto live = static_cast<State>(kind + 1);
  if (!state(block.start)
           .compare_exchange_strong(live, static_cast<State>(live + cached),
                                    std::memory_order_acq_rel, std::memory_order_relaxed))
    return false;
  if (!is_sound(block)) [[unlikely]]
    return state(block.start).store(live, std::memory_order_release), false;
  slot.stacks[kind][slot.counts[kind]++] = link_to(block.start);
  slot.bytes += block.extent;
  return true;
}

Offset ThreadCaches::take(Size size) noexcept {
  if (size > largest) return nowhere;
  const Size extent = layout_.extent_for(size);
  if (extent > largest) return nowhere;
  Slot& slot = mine();
  if (!slot.lock.try_lock()) return nowhere;
  const Offset start = is_open() ? pop(slot, extent, size) : nowhere;
  slot.lock.unlock();
  return start == nowhere ? nowhere : layout_.payload_of(start);
}

bool ThreadCaches::keep(Offset payload) noexcept {
  Slot& slot = mine();
  if (!slot.lock.try_lock()) return false;
  const State found = state_at(payload);
  const Block block{layout_.start_of(payload), found * granule_size};
  const bool kept = found != none && found <= kinds && is_open() && push(slot, block);
  slot.lock.unlock();
  return kept;
}

// --- With the heap's lock. ---------------------------------------------------------------------

ThreadCaches::State ThreadCaches::state_at(Offset payload) const noexcept {
  const Offset start = layout_.start_of(payload);  // wraps below the first payload
  if (start >= region_ || start % granule_size != 0) return none;
  return state(start).load(std::memory_order_acquire);
}

bool ThreadCaches::is_cached(Offset payload) const noexcept { return state_at(payload) > cached; }

void ThreadCaches::enlist(Block block) noexcept {
  if (block.extent > largest) return;
  state(block.start)
      .store(static_cast<State>(block.extent / granule_size), std::memory_order_release);
}

bool ThreadCaches::withdraw(Offset payload) noexcept {
  State found = state_at(payload);
  while (found != none && found <= kinds) {
    if (!state(layout_.start_of(payload))
             .compare_exchange_weak(found, none, std::memory_order_acq_rel))
      continue;
    for (const auto& slot : slots_) count(*slot);
    return true;
  }
  return found == none;
}

// Another thread may be in the slot: the two sums need not be of the same moment.
// The core's serials stay ahead of those that were given to any block: so a handle of a block that
// had the same place cannot have the serial of a later one.
void ThreadCaches::count(Slot& slot) noexcept {
  const std::uint64_t pairs = slot.sums.pairs.load(std::memory_order_relaxed);
  const Size requested = slot.sums.requested.load(std::memory_order_relaxed);
  if (pairs == slot.counted_pairs && requested == slot.counted_requested) return;
  core_.count_cached(pairs - slot.counted_pairs, requested - slot.counted_requested);
  slot.counted_pairs = pairs;
  slot.counted_requested = requested;
}

// A block whose header was overwritten stays live, for check() to find.
void ThreadCaches::drain(Slot& slot, Fault& first, Offset& refused) noexcept {
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    for (; slot.counts[kind] != 0; --slot.counts[kind]) {
      const Offset start = linked(slot.stacks[kind][slot.counts[kind] - 1U]);
      const Offset payload = layout_.payload_of(start);
      Fault fault;
      state(start).store(none, std::memory_order_release);
      if (core_.release(payload, fault) || first) continue;
      first = fault;
      refused = payload;
    }
  }
  slot.bytes = 0;
}

Fault ThreadCaches::drain(Offset& refused) noexcept {
  Fault first;
  for (const auto& slot : slots_) count(*slot);
  for (const auto& slot : slots_) drain(*slot, first, refused);
  suspect_.store(false, std::memory_order_relaxed);
  return first;
}

}  // namespace glassheap
