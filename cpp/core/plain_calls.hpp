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
class PlainCalls {
 public:
  [[gnu::flatten]] static Address malloc(FrontLine& front, Size size, Fault& fault) noexcept {
    if (!front.lock.try_lock()) [[unlikely]]
      return wait_and_malloc(front, size, fault);
    if (front.inside != nullptr) [[likely]] {
      const Block block = core_of(front).template try_allocate_near<shape>(size);
      if (block) [[likely]] {
        front.lock.unlock();
        return payload_of(front, block);
      }
    }
    return far_malloc(front, size, fault);
  }

  [[gnu::flatten]] static bool free(FrontLine& front, Address payload, Fault& fault) noexcept {
    if (!front.lock.try_lock()) [[unlikely]]
      return wait_and_free(front, payload, fault);
    if (front.inside != nullptr && front.pinned == 0) [[likely]] {
      if (core_of(front).template try_release_near<shape>(payload - front.origin)) [[likely]] {
        front.lock.unlock();
        return true;
      }
    }
    return far_free(front, payload, fault);
  }

  static constexpr FrontCalls calls{.malloc = malloc, .free = free};

 private:
  [[nodiscard]] static Core& core_of(const FrontLine& front) noexcept {
    return *static_cast<Core*>(front.inside);
  }
  [[nodiscard]] static Address payload_of(const FrontLine& front, Block block) noexcept {
    return front.origin + front_of(shape) + block.start;
  }

  // The same, with the lock held, where a block may have to be searched for.
  [[gnu::noinline, gnu::flatten]] static Address far_malloc(FrontLine& front, Size size,
                                                            Fault& fault) noexcept {
    Block block;
    if (front.inside != nullptr) block = core_of(front).template try_allocate<shape>(size);
    front.lock.unlock();
    return block ? payload_of(front, block) : front.careful->malloc(front, size, fault);
  }
  [[gnu::noinline, gnu::flatten]] static bool far_free(FrontLine& front, Address payload,
                                                       Fault& fault) noexcept {
    const bool done = front.inside != nullptr && front.pinned == 0 &&
                      core_of(front).template try_release<shape>(payload - front.origin);
    front.lock.unlock();
    return done || front.careful->free(front, payload, fault);
  }

  // The same, without the lock, which another thread holds.
  [[gnu::noinline]] static Address wait_and_malloc(FrontLine& front, Size size,
                                                   Fault& fault) noexcept {
    return lock(front, fault) ? far_malloc(front, size, fault) : 0;
  }
  [[gnu::noinline]] static bool wait_and_free(FrontLine& front, Address payload,
                                              Fault& fault) noexcept {
    return lock(front, fault) && far_free(front, payload, fault);
  }
  [[nodiscard]] static bool lock(FrontLine& front, Fault& fault) noexcept {
    const FaultKind refusal = front.lock.lock();
    if (refusal != FaultKind::none) fault = {.kind = refusal};
    return refusal == FaultKind::none;
  }
};

}  // namespace glassheap
