// lock.hpp: the lock of one heap.
//
// What is done under it takes nanoseconds, and no Python code runs there; so a thread that finds it
// taken looks again a few times and then lets others run. Unlocking is a plain store: half the
// price of a mutex that has to look for sleepers. And where the C library says that the process has
// one thread, nobody else can come between a look and a store, and locking is two plain
// instructions too (1.1 ns for lock and unlock, instead of 6.6). Meets the standard's
// BasicLockable, for std::lock_guard.
//
// A process that forks has one thread in the child; if another thread was inside a heap, nobody
// would ever leave it there. So all locks stand in one list, and fork() takes them all before it
// happens and leaves them on both sides afterwards: the child's copy of each heap is whole, and
// open.
#pragma once

#include <atomic>
#include <thread>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

namespace glassheap {

class Lock {
 public:
  Lock();
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock() noexcept {
    if (is_only_thread() && !taken_.load(std::memory_order_relaxed)) {
      taken_.store(true, std::memory_order_relaxed);
    } else {
      while (taken_.exchange(true, std::memory_order_acquire)) wait();
    }
  }
  void unlock() noexcept { taken_.store(false, std::memory_order_release); }

 private:
  friend class LockList;

  [[nodiscard]] static bool is_only_thread() noexcept {
#if __has_include(<sys/single_threaded.h>)
    return __libc_single_threaded != 0;
#else
    return false;
#endif
  }

  // Only reads while the lock is taken, so that the waiting do not pull the line from its owner.
  void wait() const noexcept {
    for (int looks = 0; taken_.load(std::memory_order_relaxed); ++looks) {
      if (looks >= looks_before_yield) std::this_thread::yield();
    }
  }

  static constexpr int looks_before_yield = 64;
  std::atomic<bool> taken_{false};
  Lock* next_ = nullptr;  // in the list of all locks
  Lock* prev_ = nullptr;
};

}  // namespace glassheap
