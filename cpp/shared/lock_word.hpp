// lock_word.hpp: the lock of a shared heap, one word in its segment.
//
//     | 0 ... 0 | waiters | 0 0 0 | number |      0: the lock is free
//      31        16        15      12    0
//
// The word is the number of its owner. It is taken by one compare-and-swap and released by one
// exchange. One that finds it taken asks the kernel if the owner still lives (presence.hpp), and takes
// over from a dead one. Otherwise it sets the bit `waiters`, sleeps on the word (futex(2)) for a short
// time, and tries again. Nothing in the word is trusted: a number that nobody has is that of a dead owner.
//
// One that takes over holds the dead number's byte meanwhile. So the number is not given to another
// attachment, which might be the owner of just that word.
#pragma once

#include <atomic>
#include <chrono>

#include "shared/presence.hpp"

namespace glassheap::shared {

enum class LockResult : std::uint8_t { acquired, owner_died, taken };

class LockSeat {
 public:
  LockSeat(std::atomic<std::uint32_t>& word, const Presence& presence) noexcept
      : word_(word), presence_(presence) {}

  // One attempt, which does not wait. Returns owner_died if the lock was that of a dead owner: what
  // it protects is to be recovered.
  [[nodiscard]] LockResult try_lock(Number self) noexcept {
    std::uint32_t found = 0;
    const std::uint32_t wanted = self | (awaited_.load(std::memory_order_relaxed) & waiters);
    if (!word_.compare_exchange_strong(found, wanted, std::memory_order_acquire)) [[unlikely]]
      return try_again(self);
    awaited_.store(0, std::memory_order_relaxed);
    return LockResult::acquired;
  }
  // Sleeps at most that long, until the owner that was in the way may have released the lock. The
  // segment may be gone.
  void nap(std::chrono::nanoseconds longest) const noexcept;
  // The owner's number becomes another one of its.
  void rename(Number from, Number to) noexcept { word_.fetch_xor(from ^ to); }
  void unlock() noexcept {
    if ((word_.exchange(0, std::memory_order_release) & waiters) != 0) [[unlikely]]
      wake();
  }

 private:
  static constexpr std::uint32_t waiters = 1U << 16;

  [[gnu::cold, gnu::noinline]] LockResult try_again(Number self) noexcept;
  [[nodiscard]] bool take_over(std::uint32_t found, Number self) noexcept;
  void wake() noexcept;

  std::atomic<std::uint32_t>& word_;
  const Presence& presence_;
  std::atomic<std::uint32_t> awaited_{0};  // the word that was in the way in the last attempt
};

}  // namespace glassheap::shared
