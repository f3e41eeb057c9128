// lock_word.hpp: the lock of a shared heap, a word in its segment.
//
//     owner      the number of the attachment that has the lock; 0: it is free
//     sleepers   1 if an attachment may sleep on the word `owner` (futex(2)) and is to be woken
//
// The lock is taken by one compare-and-swap and released by one store. An attachment that
// finds it taken asks the kernel if the owner still lives (presence.hpp), and takes over from a
// dead one. Otherwise it sleeps for a short time, and tries again. Nothing in the word is trusted:
// a number that no attachment has is that of a dead owner.
//
// While an attachment takes over, it keeps the byte of the dead number locked. So no other
// attachment gets that number, and could be the owner that the word names.
//
// The release is a store without a fence, at half the price of the whole lock. So it may miss an
// attachment that is just falling asleep, which then sleeps for its whole short time.
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
    return lock_if_free(self) ? LockResult::acquired : try_again(self);
  }
  // Returns false, and does nothing, if the lock has an owner, alive or dead.
  [[nodiscard]] bool lock_if_free(Number self) noexcept {
    std::uint32_t found = 0;
    if (!word_.owner.compare_exchange_strong(found, self, std::memory_order_acquire)) [[unlikely]]
      return false;
    if (awaited_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      end_wait();
    return true;
  }
  // The caller waits for something else than the lock: its next nap does not watch the word.
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
  // Other attachments may still sleep, so this one's unlock() wakes them.
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
