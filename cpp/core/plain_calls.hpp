// plain_calls.hpp: PlainCalls<Core, shape>, the malloc and free that nearly all calls of a heap take.
//
//     lock, inside?, near call                         done: unlock
//         |              |
//         |              +----> far call                done: unlock
//         |                        |
//         +------------------------+----> unlock, careful call     done, or the Fault
//
// A shared heap has far calls alone. They also lock out the other processes, and leave the core's
// state to them.
//
// A near call needs no search, neither for a free block nor for the neighbours of a freed one. A far
// call searches. Both are the steps of HeapCore, compiled for a known shape and flattened
// (gnu::flatten): all that they call is inlined into them, but for rare paths, which are gnu::cold or
// gnu::noinline.
//
// A call that is not done has changed nothing, not even a counter, so the next one does it as a
// whole. Before the careful one another thread may have changed the heap: then that serves what the
// others could not.
#pragma once

#include "core/front_line.hpp"
#include "space/space.hpp"

namespace glassheap {

template <typename Core, Shape shape>
class PlainCalls {
 public:
  [[gnu::flatten]] static Address malloc(FrontLine& front, Size size, Fault& fault) noexcept {
    if (!front.lock.try_lock()) [[unlikely]]
      return wait_and_malloc(front, size, fault);
    if (shape != Shape::shared && front.inside != nullptr) [[likely]] {
      const Block block = near_allocate(core_of(front), size);
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
    if (shape != Shape::shared && front.inside != nullptr && front.pinned == 0) [[likely]] {
      if (near_release(core_of(front), payload - front.origin)) [[likely]] {
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
    return front.origin + front_in(core_of(front)) + block.start;
  }
  [[nodiscard]] static Size front_in(Core& core) noexcept { return front_of(shape, core.layout()); }

  // The core, for as long as the thread is inside it; none if it may not be.
  class Inside {
   public:
    explicit Inside(FrontLine& front) noexcept : core_(static_cast<Core*>(front.inside)) {
      if (shape == Shape::shared && core_ != nullptr) lock_out_others(front);
    }
    ~Inside() {
      if (shape != Shape::shared || core_ == nullptr) return;
      core_->store(*state_);
      hooks_->on_plain_leave();
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

    [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }
    [[nodiscard]] Core& core() const noexcept { return *core_; }
    void tell_of_free(Offset payload) const noexcept {
      if constexpr (shape == Shape::shared) hooks_->on_free(payload);
    }

   private:
    void lock_out_others(FrontLine& front) noexcept {
      hooks_ = front.hooks.get();
      state_ = hooks_->on_plain_enter(*core_);
      if (state_ == nullptr) [[unlikely]]
        core_ = nullptr;
    }

    Core* core_;
    SharingHooks* hooks_ = nullptr;
    CoreState* state_ = nullptr;
  };

  [[nodiscard]] static Request request_for(Core& core, Size size) noexcept {
    return {core.template extent_as<shape>(size), granule_size};
  }
  // Serves a request from a vetted free block.
  static Block take(Core& core, typename Core::Plan& plan, Block from, Size size) noexcept {
    plan.split = plan_split(core.space_.bytes(), from, request_for(core, size));
    ++core.template counters_as<shape>().mallocs;
    return core.template take<shape>(plan, size);
  }

  // An exact fit and a split are compiled apart.
  [[nodiscard]] static Block near_allocate(Core& core, Size size) noexcept {
    if (size > Core::largest_near - front_in(core)) return {};
    const Request request = request_for(core, size);
    typename Core::Plan plan{};
    const Block from = core.space_.policy().find_near(request, plan.place);
    if (!checking || !from || !core.space_.template vet_at<shape>(from, plan.place)) return {};
    if (from.extent == request.extent) return take(core, plan, from, size);
    if (!core.space_.map().has_starts_around(from.start + request.extent)) return {};
    return take(core, plan, from, size);
  }
  [[nodiscard]] static bool near_release(Core& core, Offset payload) noexcept {
    const Offset start = payload - front_in(core);
    if (!checking || !core.checker().may_start_at(start)) return false;
    const BlockMap::Vicinity around = core.space_.map().around(start);
    if (!around) return false;
    LiveBlock freed{around.block()};
    if (!core.checker().template plainly_find<shape>(freed)) return false;
    const auto begin = [&](Block /*range*/) { core.template uncount<shape>(freed); };
    if (!core.space_.template release_near<shape>(around, begin)) return false;
    ++core.template counters_as<shape>().frees;
    return true;
  }

  [[nodiscard]] static Block far_allocate(Core& core, Size size) noexcept {
    if (size > largest_region) return {};
    typename Core::Plan plan;
    const Request request = request_for(core, size);
    const Block from = core.space_.policy().find_free(request);
    if (!from || !core.space_.template vet_as<shape>(from, request, plan.place)) return {};
    return take(core, plan, from, size);
  }
  [[nodiscard]] static bool far_release(Core& core, Offset payload) noexcept {
    LiveBlock freed;
    if (!core.checker().template find_as<shape>(payload, freed) ||
        !core.template give_back<shape>(freed))
      return false;
    ++core.template counters_as<shape>().frees;
    return true;
  }

  // malloc and free from here on, with the lock held.
  [[gnu::noinline, gnu::flatten]] static Address far_malloc(FrontLine& front, Size size,
                                                            Fault& fault) noexcept {
    Address payload = 0;
    if (const Inside inside(front); inside) [[likely]] {
      if (const Block block = far_allocate(inside.core(), size)) [[likely]]
        payload = payload_of(front, block);
    }
    front.lock.unlock();
    return payload != 0 ? payload : front.careful->malloc(front, size, fault);
  }
  [[gnu::noinline, gnu::flatten]] static bool far_free(FrontLine& front, Address payload,
                                                       Fault& fault) noexcept {
    bool done = false;
    if (const Inside inside(front); inside && front.pinned == 0) [[likely]] {
      const Offset at = payload - front.origin;
      done = far_release(inside.core(), at);
      if (done) inside.tell_of_free(at);
    }
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
