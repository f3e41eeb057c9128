#include "check/journal.hpp"

namespace glassheap {

void Journal::begin(Block range, Offset top, Size keep, Size size) noexcept {
  intent_.begin(range, top, keep, size);
}

// The owner is written where no live block starts yet. A recovery finds the place in the record.
void Journal::begin_take(Block from, Offset taken, Offset top) noexcept {
  call_.claimed = taken;
  intent_.begin(from, top);
  set_owner(taken, taker_);
}

void Journal::begin_release(Block range, Offset freed, Offset top) noexcept {
  intent_.begin(range, top);
  disown(freed);
}

void Journal::disown_all(const BlockMap& map, Block range) noexcept {
  if (!range) return;
  const auto within = [range](Offset at) { return at >= range.start && at < range.end(); };
  map.for_each_start(BlockMap::chunk_of(range.start), BlockMap::chunk_of(range.end() - 1),
                     [&](Offset at) {
                       if (within(at)) disown(at);
                     });
  if (within(call_.claimed) && call_.claimed % granule_size == 0) disown(call_.claimed);
}

// The compiler moves no store across it.
void Journal::enter(CallRecord::Stage stage) noexcept {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  call_.stage = stage;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  crash_point();
}

void Journal::begin_call(Offset moved) noexcept {
  call_.number = number_;
  call_.moved = moved == nowhere ? 0 : moved + 1;
  taker_ = in_flight;
  enter(CallRecord::taking);
}

// First the intent of the last block is given up, which would free it. The top stays on record: the
// one that the core has stored is of before the call.
void Journal::keep(Offset top) noexcept {
  begin(Block{0, 0}, top);
  enter(CallRecord::keeping);
}

void Journal::end_call() noexcept {
  taker_ = number_;
  enter(CallRecord::none);
}

bool Journal::settle(Offset start) noexcept {
  const bool kept = call_.stage == CallRecord::keeping;
  if (kept && call_.moved == start + 1) return true;
  if (owners_[start / granule_size] != in_flight) return false;
  if (call_.stage == CallRecord::taking) return true;
  set_owner(start, kept ? static_cast<OwnerNumber>(call_.number) : OwnerNumber{0});
  return false;
}

}  // namespace glassheap
