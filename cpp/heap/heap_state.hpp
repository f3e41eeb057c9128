// heap_state.hpp: all that stands behind a Heap, and the one way in.
//
//     Heap::malloc      address of a payload          the public calls, a file each group
//        |              |                             (heap.cpp, handles.cpp, reports.cpp)
//     HeapState::write  lock, closed? damaged?        this file
//        |
//     CoreInterface     offset of a block             core/
//
// read() and write() take the lock, refuse the call where the heap is closed (write: or damaged),
// and then run it. All other members are for code that read() or write() runs.
#pragma once

#include <type_traits>

#include "base/lock.hpp"
#include "base/region.hpp"
#include "core/core_interface.hpp"
#include "glassheap/heap.hpp"
#include "heap/addressing.hpp"
#include "heap/pins.hpp"
#include "heap/sharing_hooks.hpp"

namespace glassheap {

struct HeapState {
  HeapState(const Options& wanted, Region bytes, std::unique_ptr<CoreInterface> made,
            std::unique_ptr<SharingHooks> events);

  // Runs `call(*this)`, and returns its result; a zero of its type where the call is refused.
  template <typename Call>
  std::invoke_result_t<Call, HeapState&> read(Fault& fault, Call call);
  template <typename Call>
  std::invoke_result_t<Call, HeapState&> write(Fault& fault, Call call);

  [[nodiscard]] bool check_unpinned(Offset payload, Fault& fault) const noexcept {
    if (!pins.contains(payload)) [[likely]]
      return true;
    fault.kind = FaultKind::pinned;
    return false;
  }
  // Finds the live block with this payload, or with this handle; otherwise `fault` is complete.
  [[nodiscard]] bool find(Address payload, LiveBlock& live, Fault& fault) noexcept;
  [[nodiscard]] bool find(const Handle& handle, LiveBlock& live, Fault& fault) noexcept;

  // The address of a block that the core has just allocated; 0, and a complete fault, if it has
  // not. `payload` is the pointer to blame.
  Address hand_out(Block block, Address payload, Fault& fault) noexcept {
    if (!block) [[unlikely]]
      return refuse(fault, payload), 0;
    if (hooks != nullptr) [[unlikely]]
      hooks->on_allocate(addresses.payload_of(block));
    return addresses.payload_address(block);
  }
  // The same for the block that the one at `old` has become.
  Address hand_over(Offset old, Block block, Fault& fault) noexcept;
  // Releases the block with this payload unless it is pinned; otherwise `fault` is complete.
  bool release(Offset payload, Fault& fault) noexcept {
    if (!check_unpinned(payload, fault) || !core->release(payload, fault)) [[unlikely]]
      return refuse(fault, addresses.address_of(payload));
    if (hooks != nullptr) [[unlikely]]
      hooks->on_free(payload);
    return true;
  }
  // Completes a fault: its addresses as the caller counts, the numbers of a shortage. Corruption
  // makes the heap damaged. Returns false.
  [[gnu::cold, gnu::noinline]] bool refuse(Fault& fault, Address payload) noexcept;

  [[nodiscard]] Size on_offer(Size extent) const noexcept {
    return core->layout().on_offer(extent);
  }
  // Bytes of a live block that may be written.
  [[nodiscard]] Size usable(Block block, Size size) const noexcept {
    return core->layout().has_redzones() ? size : on_offer(block.extent);
  }
  [[nodiscard]] BlockInfo info(const BlockView& view) const noexcept;

  Lock lock;
  Options options;
  Region region;
  Addressing addresses;
  std::unique_ptr<CoreInterface> core;  // null once the heap is closed
  std::unique_ptr<SharingHooks> hooks;  // null in a heap of one process
  SharedState shared;
  Pins pins;
};

// Keeps other threads out, and other processes where the heap is shared, for as long as it lives.
class ScopedAccess {
 public:
  explicit ScopedAccess(HeapState& heap) noexcept : guard_(heap.lock), heap_(heap) {
    if (!guard_) {
      refusal_ = FaultKind::heap_busy;
    } else if (heap.hooks != nullptr && heap.core != nullptr) [[unlikely]] {
      enter();
    }
  }
  ~ScopedAccess() {
    if (entered_) [[unlikely]]
      leave();
  }
  ScopedAccess(const ScopedAccess&) = delete;
  ScopedAccess& operator=(const ScopedAccess&) = delete;

  // True if the other threads of this process are kept out, whatever became of other processes.
  [[nodiscard]] bool has_lock() const noexcept { return static_cast<bool>(guard_); }

  [[nodiscard]] bool check_readable(Fault& fault) const noexcept {
    if (refusal_ == FaultKind::none && heap_.core != nullptr) [[likely]]
      return true;
    fault.kind = refusal_ == FaultKind::none ? FaultKind::heap_closed : refusal_;
    return false;
  }
  [[nodiscard]] bool check_writable(Fault& fault) const noexcept {
    if (!check_readable(fault)) return false;
    if (heap_.shared.damaged) fault.kind = FaultKind::heap_damaged;
    return !heap_.shared.damaged;
  }

 private:
  // Inline, so that the four fields below stay in registers.
  void enter() noexcept {
    refusal_ = heap_.hooks->on_enter(*heap_.core, heap_.shared);
    entered_ = refusal_ == FaultKind::none;
  }
  void leave() const noexcept { heap_.hooks->on_leave(*heap_.core, heap_.shared); }

  Guard guard_;
  HeapState& heap_;
  FaultKind refusal_ = FaultKind::none;
  bool entered_ = false;  // among the processes that share the heap
};

template <typename Call>
std::invoke_result_t<Call, HeapState&> HeapState::read(Fault& fault, Call call) {
  const ScopedAccess access(*this);
  if (!access.check_readable(fault)) return {};
  return call(*this);
}

template <typename Call>
std::invoke_result_t<Call, HeapState&> HeapState::write(Fault& fault, Call call) {
  const ScopedAccess access(*this);
  if (!access.check_writable(fault)) return {};
  return call(*this);
}

}  // namespace glassheap
