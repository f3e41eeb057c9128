// sharing_hooks.hpp: the events of a heap that other processes must hear of.
//
// A heap of one process has no hooks. A shared heap's are in shared/attachment.hpp. Each but
// on_close, nap and timeout is called under the heap's lock.
#pragma once

#include "base/waiting.hpp"
#include "core/core_interface.hpp"
#include "core/wait_line.hpp"

namespace glassheap {

// The state that all processes agree on, beside the core's.
struct SharedState {
  bool damaged = false;
  bool waiting = false;     // true if the line of waiting requests may have some
  std::uint64_t epoch = 0;  // resets
  int system_error = 0;     // errno, where on_enter returns system_error
};

class SharingHooks {
 public:
  SharingHooks() = default;
  SharingHooks(const SharingHooks&) = delete;
  SharingHooks& operator=(const SharingHooks&) = delete;
  virtual ~SharingHooks() = default;

  // Locks the heap against other processes, and reads `core` and `state` from shared memory. Waits
  // for no other process: returns lock_timeout if one is inside. The caller then unlocks the heap,
  // calls nap, and tries again. Returns a FaultKind: zeroing a Fault on every call is too slow.
  virtual FaultKind on_enter(CoreInterface& core, SharedState& state) noexcept = 0;
  // Waits at most that long until the other process may have left. Another thread may close the
  // heap at the same time: shared memory may be gone.
  virtual void nap(Wait::Duration longest) noexcept = 0;
  // The longest wait for other processes, in seconds.
  [[nodiscard]] virtual double timeout() const noexcept = 0;
  // Writes `core` and `state` to shared memory, and unlocks the heap.
  virtual void on_leave(CoreInterface& core, const SharedState& state) noexcept = 0;

  // The same two for PlainCalls, which does not change the SharedState. on_plain_enter returns where
  // the core's state is to be stored before on_plain_leave; null, having locked nothing, if another
  // process is inside or has died there, if the heap is damaged, if a request waits, or after a fork.
  virtual CoreState* on_plain_enter(CoreInterface& core) noexcept = 0;
  virtual void on_plain_leave() noexcept = 0;

  virtual void on_free(Offset payload) noexcept = 0;
  virtual void on_reset() noexcept = 0;
  virtual void on_close() noexcept = 0;  // gives up the memory
  // Returns true if this attachment of this process allocated the live block with this payload.
  [[nodiscard]] virtual bool owns(Offset payload) const noexcept = 0;

  // The requests that wait, of all processes; the number under which this one waits; and whether the
  // process of a number lives.
  [[nodiscard]] virtual WaitLine& line() noexcept = 0;
  [[nodiscard]] virtual Waiter waiter() const noexcept = 0;
  [[nodiscard]] virtual bool is_alive(Waiter waiter) const noexcept = 0;

  // Processes that died inside a call.
  [[nodiscard]] virtual std::uint64_t recovered() const noexcept = 0;
};

}  // namespace glassheap
