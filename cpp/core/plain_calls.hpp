// plain_calls.hpp: PlainCalls<Core>, the malloc and free that nearly all calls of a heap take.
//
//     lock, inside?, Core::try_allocate or try_release, unlock      done
//              |                     |
//              +---------------------+----> unlock, careful call     done, or the Fault
//
// A call that is not done has changed nothing, so the careful one does it as a whole. Between the
// two another thread may have changed the heap: then the careful call serves what the plain one
// could not. The functions are flattened for the same reason as the core's (heap_core.hpp).
#pragma once

#include "core/front_line.hpp"

namespace glassheap {

template <typename Core>
struct PlainCalls {
  [[gnu::flatten]] static Address malloc(FrontLine& front, Size size, Fault& fault) noexcept {
    if (!lock(front, fault)) [[unlikely]]
      return 0;
    auto* const core = static_cast<Core*>(front.inside);
    Address payload = 0;
    if (core != nullptr) [[likely]] {
      if (const Block block = core->try_allocate(size)) [[likely]]
        payload = front.origin + core->layout().payload_of(block.start);
    }
    front.lock.unlock();
    return payload != 0 ? payload : front.careful->malloc(front, size, fault);
  }

  [[gnu::flatten]] static bool free(FrontLine& front, Address payload, Fault& fault) noexcept {
    if (!lock(front, fault)) [[unlikely]]
      return false;
    auto* const core = static_cast<Core*>(front.inside);
    const bool done =
        core != nullptr && front.pinned == 0 && core->try_release(payload - front.origin);
    front.lock.unlock();
    return done || front.careful->free(front, payload, fault);
  }

  static constexpr FrontCalls calls{.malloc = malloc, .free = free};

 private:
  [[nodiscard]] static bool lock(FrontLine& front, Fault& fault) noexcept {
    const FaultKind refusal = front.lock.lock();
    if (refusal != FaultKind::none) [[unlikely]]
      fault.kind = refusal;
    return refusal == FaultKind::none;
  }
};

}  // namespace glassheap
