// waiting.hpp: how a thread waits for another thread, or for another process.
//
//     Wait wait(seconds);
//     while (!try_it()) {
//       if (const FaultKind given_up = wait.nap(); given_up != FaultKind::none) return given_up;
//     }
//
// A wait is a loop of naps, with a last attempt when its time is over. The hook of the program
// (glassheap/waiting.hpp) is called around each nap.
//
// Invariant: a thread that naps holds no heap's lock. The hook may wait for a thread that forks, as
// Python's does, and fork() waits for the lock of every heap.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "glassheap/fault.hpp"
#include "glassheap/waiting.hpp"

namespace glassheap {

enum class WaitMode : std::uint8_t {
  interruptible,  // the hook may end the wait
  uninterrupted,  // the hook may not end it: the call cannot be refused
  without_hook,   // the hook is not called
};

class Wait {
 public:
  using Clock = std::chrono::steady_clock;
  using Duration = std::chrono::nanoseconds;
  static constexpr Duration longest_nap = std::chrono::milliseconds(10);
  static constexpr Duration longest_doze = std::chrono::milliseconds(100);

  // A wait without end.
  explicit Wait(WaitMode mode) noexcept : mode_(mode) {}
  // A wait that ends `seconds` from now.
  explicit Wait(double seconds, WaitMode mode = WaitMode::interruptible) noexcept;

  // Naps once. Returns none if the caller is to try again; otherwise the reason to give up, which
  // is lock_timeout or interrupted. sleep(longest) returns after at most that duration, and earlier
  // if it can tell that an attempt may succeed.
  template <typename Sleep>
  [[nodiscard]] FaultKind nap(Sleep sleep) noexcept {
    return sleep_for(next_length(), sleep);
  }
  // The same with a sleep of that duration. The first naps are short.
  [[nodiscard]] FaultKind nap() noexcept;
  // The same for a sleep that is ended when an attempt may succeed: it is long.
  template <typename Sleep>
  [[nodiscard]] FaultKind doze(Sleep sleep) noexcept {
    return sleep_for(std::min(longest_doze, left()), sleep);
  }

 private:
  template <typename Sleep>
  [[nodiscard]] FaultKind sleep_for(Duration length, Sleep sleep) noexcept {
    if (length <= Duration::zero()) return FaultKind::lock_timeout;
    before_nap();
    sleep(length);
    return after_nap() ? FaultKind::none : FaultKind::interrupted;
  }
  // The time until the end; the longest duration there is, for a wait without end.
  [[nodiscard]] Duration left() const noexcept;
  [[nodiscard]] Duration next_length() noexcept;
  void before_nap() noexcept;
  [[nodiscard]] bool after_nap() const noexcept;

  WaitMode mode_;
  Clock::time_point until_ = Clock::time_point::max();
  Duration length_ = std::chrono::microseconds(50);
  const NapHook* hook_ = nullptr;  // of the nap that has begun
  void* from_before_ = nullptr;
};

}  // namespace glassheap
