// lock_word.hpp: the lock of a shared heap, a word in its segment.
//
//     owner      the number of the one who has the lock; 0: it is free
//     sleepers   1 if one may sleep on the owner's word (futex(2)) and is to be woken
//
// The lock is taken by one compare-and-swap and released by one store. One that finds it taken asks
// the kernel if the owner still lives (presence.hpp), and takes over from a dead one. Otherwise it
// sleeps for a short time, and tries again. Nothing in the word is trusted: a number that nobody has
// is that of a dead owner.
//
// One that takes over holds the dead number's byte meanwhile. So the number is not given to another
// attachment, which might be the owner of just that word.
//
// The release is a store without a fence, at half the price of the whole lock. So it may miss one
// that is just falling asleep, which then sleeps for its whole short time.
#pragma once

#include <atomic>
#include <chrono>

#include "shared/presence.hpp"

namespace glassheap::shared {

enum class LockResult : std::uint8_t { acquired, owner_died, taken };

class LockSeat {
 public:
  LockSeat(LockWord& word, const Presence& presence) noexcept : word_(word), presence_(presence) {}

  // One attempt, which does not wait. Returns owner_died if the lock was that of a dead owner: what
  // it protects is to be recovered.
  [[nodiscard]] LockResult try_lock(Number self) noexcept {
    std::uint32_t found = 0;
    if (!word_.owner.compare_exchange_strong(found, self, std::memory_order_acquire)) [[unlikely]]
      return try_again(self);
    if (awaited_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      end_wait();
    return LockResult::acquired;
  }
  // Something else than the lock is in the way: the next nap is a sleep.
  void await_nothing() noexcept { awaited_.store(0, std::memory_order_relaxed); }
  // Sleeps at most that long, until the owner that was in the way may have released the lock. The
  // segment may be gone.
  void nap(std::chrono::nanoseconds longest) const noexcept;
  // The owner gets another number.
  void rename(Number to) noexcept { word_.owner.store(to, std::memory_order_relaxed); }
  void unlock() noexcept {
    word_.owner.store(0, std::memory_order_release);
    if (word_.sleepers.load(std::memory_order_relaxed) != 0) [[unlikely]]
      wake();
  }

 private:
  [[gnu::cold, gnu::noinline]] LockResult try_again(Number self) noexcept;
  [[nodiscard]] bool take_over(std::uint32_t found, Number self) noexcept;
  // Others may sleep still.
  void end_wait() noexcept {
    awaited_.store(0, std::memory_order_relaxed);
    word_.sleepers.store(1, std::memory_order_relaxed);
  }
  [[gnu::cold, gnu::noinline]] void wake() noexcept;

  LockWord& word_;
  const Presence& presence_;
  std::atomic<std::uint32_t> awaited_{0};  // the owner that was in the way in the last attempt
};

}  // namespace glassheap::shared
