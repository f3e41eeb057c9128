// plain_calls.hpp: PlainCalls<Core, shape>, the malloc and free that nearly all calls of a heap take.
//
//     lock, inside?, Core::try_allocate or try_release, unlock      done
//              |                     |
//              +---------------------+----> unlock, careful call     done, or the Fault
//
// A call that is not done has changed nothing, so the careful one does it as a whole. Between the
// two another thread may have changed the heap: then the careful call serves what the plain one
// could not. The functions are flattened (gnu::flatten): all that they
// call is inlined into them, which saves a third of the instructions of a malloc and a free. Rare
// paths are kept out of line by their own gnu::cold or gnu::noinline.
#pragma once

#include "core/front_line.hpp"

namespace glassheap {

template <typename Core, Shape shape>
struct PlainCalls {
  [[gnu::flatten]] static Address malloc(FrontLine& front, Size size, Fault& fault) noexcept {
    if (!lock(front, fault)) [[unlikely]]
      return 0;
    auto* const core = static_cast<Core*>(front.inside);
    Address payload = 0;
    if (core != nullptr) [[likely]] {
      if (const Block block = core->template try_allocate<shape>(size)) [[likely]]
        payload = front.origin + front_of(shape) + block.start;
    }
    front.lock.unlock();
    return payload != 0 ? payload : front.careful->malloc(front, size, fault);
  }

  [[gnu::flatten]] static bool free(FrontLine& front, Address payload, Fault& fault) noexcept {
    if (!lock(front, fault)) [[unlikely]]
      return false;
    auto* const core = static_cast<Core*>(front.inside);
    const bool done = core != nullptr && front.pinned == 0 &&
                      core->template try_release<shape>(payload - front.origin);
    front.lock.unlock();
    return done || front.careful->free(front, payload, fault);
  }

  static constexpr FrontCalls calls{.malloc = malloc, .free = free};

 private:
  [[nodiscard]] static bool lock(FrontLine& front, Fault& fault) noexcept {
    const FaultKind refusal = front.lock.lock();
    if (refusal != FaultKind::none) [[unlikely]]
      fault = {.kind = refusal};
    return refusal == FaultKind::none;
  }
};

}  // namespace glassheap
