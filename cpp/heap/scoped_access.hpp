// scoped_access.hpp: HeapState's read(), write() and read_all(): the lock is held while a call runs.
#pragma once

#include "heap/heap_state.hpp"

namespace glassheap {

// Keeps other threads out, and other processes where the heap is shared, for as long as it lives;
// neither if it is refused.
class ScopedAccess {
 public:
  explicit ScopedAccess(HeapState& heap) noexcept : heap_(heap), refusal_(heap.enter()) {}
  ~ScopedAccess() {
    if (refusal_ == FaultKind::none) heap_.leave();
  }
  ScopedAccess(const ScopedAccess&) = delete;
  ScopedAccess& operator=(const ScopedAccess&) = delete;

  [[nodiscard]] FaultKind refusal() const noexcept { return refusal_; }

 private:
  HeapState& heap_;
  const FaultKind refusal_;
};

template <typename Call>
std::invoke_result_t<Call, HeapState&> HeapState::read(Fault& fault, Call call) {
  const ScopedAccess access(*this);
  if (access.refusal() != FaultKind::none) [[unlikely]]
    return blame(access.refusal(), fault), std::invoke_result_t<Call, HeapState&>{};
  return call(*this);
}

template <typename Call>
std::invoke_result_t<Call, HeapState&> HeapState::write(Fault& fault, Call call) {
  return read(fault, [&fault, &call](HeapState& heap) -> std::invoke_result_t<Call, HeapState&> {
    if (!heap.shared.damaged) [[likely]]
      return call(heap);
    fault.kind = FaultKind::heap_damaged;
    return {};
  });
}

template <typename Note>
bool HeapState::give_back_pinned(Offset payload, Fault& fault, Note note) noexcept {
  {
    const ScopedAccess access(*this);
    fault.kind = access.refusal();
    if (!fault) {
      unpin(payload);
      if (shared.damaged) fault.kind = FaultKind::heap_damaged;
      return !fault && give_back(payload, fault) && (note(), true);
    }
  }
  drop_pin(payload);
  return false;
}

// Keeps every thread's cache empty, for as long as it lives: the core has the blocks. False if that
// cannot be done now, in a signal handler that has interrupted a call on a cache. A heap without
// caches, or closed, has nothing to empty.
class EmptyCaches {
 public:
  explicit EmptyCaches(HeapState& heap) noexcept;
  ~EmptyCaches();
  EmptyCaches(const EmptyCaches&) = delete;
  EmptyCaches& operator=(const EmptyCaches&) = delete;

  [[nodiscard]] explicit operator bool() const noexcept { return locked_; }
  // The first overwritten block that was in a cache: the heap is damaged then.
  [[nodiscard]] const Fault& damage() const noexcept { return damage_; }

 private:
  ThreadCaches* const caches_;
  const bool locked_;
  Fault damage_;
};

template <typename Call>
std::invoke_result_t<Call, HeapState&> HeapState::read_all(Fault& fault, Call call) {
  return read(fault, [&fault, &call](HeapState& heap) -> std::invoke_result_t<Call, HeapState&> {
    const EmptyCaches empty(heap);  // or damaged: then the call shows what it can
    if (empty) [[likely]]
      return call(heap);
    return heap.blame(FaultKind::heap_busy, fault), std::invoke_result_t<Call, HeapState&>{};
  });
}

}  // namespace glassheap
