#include "check/journal.hpp"

namespace glassheap {

void Journal::disown_all(const BlockMap& map, Block range) noexcept {
  if (!range) return;
  const auto within = [range](Offset at) { return at >= range.start && at < range.end(); };
  map.for_each_start(BlockMap::chunk_of(range.start), BlockMap::chunk_of(range.end() - 1),
                     [&](Offset at) {
                       if (within(at)) disown(at);
                     });
  const Offset claimed = call_.claimed;  // read once: another program may write there
  if (within(claimed) && claimed % granule_size == 0) disown(claimed);
}

// The compiler moves no store across it.
void Journal::enter(CallRecord::Stage stage) noexcept {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  call_.stage = stage;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  crash_point();
}

void Journal::begin_call() noexcept {
  call_.number = number_;
  taker_ = in_flight;
  enter(CallRecord::marking);
}

bool Journal::mark(Offset start) noexcept {
  if ((owner(start) & leaving) != 0) return false;
  set_owner(start, owner(start) | leaving);
  return true;
}

void Journal::unmark(Offset start) noexcept {
  set_owner(start, static_cast<OwnerNumber>(owner(start) & ~leaving));
}

// First the intent of the last block that was taken is given up, which would free it. The top stays
// on record: the one that the core has stored is of before the call.
void Journal::keep(Offset top) noexcept {
  begin(Block{0, 0}, top);
  enter(CallRecord::keeping);
}

void Journal::end_call() noexcept {
  taker_ = number_;
  enter(CallRecord::none);
}

bool Journal::is_to_be_freed(Offset start) const noexcept {
  if (owner(start) == in_flight) return call_.stage == CallRecord::marking;
  return call_.stage == CallRecord::keeping && (owner(start) & leaving) != 0;
}

void Journal::settle(Offset start) noexcept {
  if (owner(start) == in_flight)
    set_owner(start, static_cast<OwnerNumber>(call_.number));
  else if ((owner(start) & leaving) != 0)
    unmark(start);
}

}  // namespace glassheap
