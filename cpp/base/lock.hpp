// lock.hpp: the lock of one heap.
//
// A critical section mostly takes nanoseconds; so a thread that finds the lock held looks again a
// few times, at growing distances, then yields, and then naps (waiting.hpp): a check of a large heap
// takes long. Unlocking is a plain store: half the price of a mutex, which has to check for sleeping
// waiters. Where the C library reports that the process has one thread, no other thread can come
// between a load and a store, and locking is a plain load and store too (1.1 ns for lock and unlock,
// instead of 6.6).
//
// The lock records its owner. A signal handler may interrupt a thread inside a heap and call the
// same heap; it would wait for its own thread for ever, so it is refused instead.
//
//     owner_        0 while unlocked, else a number of the thread inside
//     uncontended_  -> __libc_single_threaded, or a constant
//
// After fork() the child has one thread; if another thread was inside a heap, no thread of the
// child would ever unlock that heap. So all locks are registered: fork() acquires them all before
// it forks and releases them on both sides afterwards. The child's copy of each heap is consistent
// and unlocked.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/waiting.hpp"

namespace glassheap {

// A thread that holds an inner lock waits for no other one; one that holds an outer lock may wait
// for inner ones. fork() locks in this order.
enum class LockRank : std::uint8_t { outer, inner };

class Lock {
 public:
  using Thread = std::uintptr_t;

  // `multithreaded`: more than one thread may use the heap. Without it, locking only detects a
  // second entry by the same thread.
  // Throws std::bad_alloc.
  explicit Lock(bool multithreaded, LockRank rank = LockRank::outer);
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  // Returns none if the thread now holds the lock; heap_busy if it did already; interrupted if the
  // wait for it was ended.
  [[nodiscard]] FaultKind lock(WaitMode mode = WaitMode::interruptible) noexcept {
    const Thread self = this_thread();
    return try_lock(self) ? FaultKind::none : wait_and_lock(self, mode);
  }
  // One attempt. It fails if any thread holds the lock, the calling one included.
  [[nodiscard]] bool try_lock() noexcept { return try_lock(this_thread()); }
  void unlock() noexcept { owner_.store(no_thread, std::memory_order_release); }

  // A number that no other running thread has.
  [[nodiscard]] static Thread this_thread() noexcept {
#if defined(__has_builtin) && __has_builtin(__builtin_thread_pointer)
    return reinterpret_cast<Thread>(__builtin_thread_pointer());
#else
    static thread_local constinit char here = 0;
    return reinterpret_cast<Thread>(&here);
#endif
  }

 private:
  friend class LockRegistry;
  static constexpr Thread no_thread = 0;

  [[nodiscard]] bool try_lock(Thread self) noexcept {
    Thread found = no_thread;
    if (*uncontended_ == 0) [[unlikely]]
      return owner_.compare_exchange_strong(found, self, std::memory_order_acquire);
    if (owner_.load(std::memory_order_relaxed) != no_thread) [[unlikely]]
      return false;
    owner_.store(self, std::memory_order_relaxed);
    return true;
  }
  [[gnu::noinline]] FaultKind wait_and_lock(Thread self, WaitMode mode) noexcept;
  [[nodiscard]] bool is_soon_free() const noexcept;

  std::atomic<Thread> owner_{no_thread};
  const char* uncontended_;  // not 0 while no two threads can meet here
};

// The number of forks that led to this process: one more in a child than in its parent.
[[nodiscard]] unsigned fork_count() noexcept;

// Holds a lock for as long as it lives; false, and without effect, if it could not be locked.
class Guard {
 public:
  explicit Guard(Lock& lock, WaitMode mode = WaitMode::interruptible) noexcept
      : lock_(lock), refusal_(lock.lock(mode)) {}
  ~Guard() {
    if (refusal_ == FaultKind::none) lock_.unlock();
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  [[nodiscard]] explicit operator bool() const noexcept { return refusal_ == FaultKind::none; }
  [[nodiscard]] FaultKind refusal() const noexcept { return refusal_; }

 private:
  Lock& lock_;
  FaultKind refusal_;
};

}  // namespace glassheap
