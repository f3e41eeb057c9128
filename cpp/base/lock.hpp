// lock.hpp: the lock of one heap.
//
// What is done under it takes nanoseconds, and no Python code runs there; so a thread that finds it
// taken looks again a few times and then lets others run. Unlocking is a plain store: half the
// price of a mutex that has to look for sleepers. And where the C library says that the process has
// one thread, nobody else can come between a look and a store, and locking is two plain
// instructions too (1.1 ns for lock and unlock, instead of 6.6).
//
// The lock remembers who has it. A signal handler may interrupt a thread inside a heap and call the
// same heap; it would wait for itself for ever, so it is refused instead.
//
// A process that forks has one thread in the child; if another thread was inside a heap, nobody
// would ever leave it there. So all locks stand in one list, and fork() takes them all before it
// happens and leaves them on both sides afterwards: the child's copy of each heap is whole, and
// open.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

namespace glassheap {

class Lock {
 public:
  // `shared` says whether more than one thread may come; without it, locking only notices a thread
  // that comes twice.
  explicit Lock(bool shared);
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  // False if and only if the calling thread has the lock already.
  [[nodiscard]] bool lock() noexcept {
    const Thread self = this_thread();
    if (owner_.load(std::memory_order_relaxed) == self) [[unlikely]]
      return false;
    if (is_uncontended() && owner_.load(std::memory_order_relaxed) == nobody) {
      owner_.store(self, std::memory_order_relaxed);
    } else {
      acquire_contended(self);
    }
    return true;
  }
  void unlock() noexcept { owner_.store(nobody, std::memory_order_release); }

 private:
  friend class LockList;
  using Thread = std::uintptr_t;
  static constexpr Thread nobody = 0;
  static constexpr int looks_before_yield = 64;

  // A number that no other thread has at the same time.
  [[nodiscard]] static Thread this_thread() noexcept {
#if defined(__has_builtin) && __has_builtin(__builtin_thread_pointer)
    return reinterpret_cast<Thread>(__builtin_thread_pointer());
#else
    static thread_local constinit char here = 0;
    return reinterpret_cast<Thread>(&here);
#endif
  }
  [[nodiscard]] bool is_uncontended() const noexcept {
#if __has_include(<sys/single_threaded.h>)
    return !shared_ || __libc_single_threaded != 0;
#else
    return !shared_;
#endif
  }

  void acquire_contended(Thread self) noexcept {
    Thread found = nobody;
    while (!owner_.compare_exchange_weak(found, self, std::memory_order_acquire)) {
      wait();
      found = nobody;
    }
  }
  // Only reads while the lock is taken, so that the waiting do not pull the line from its owner.
  void wait() const noexcept {
    for (int looks = 0; owner_.load(std::memory_order_relaxed) != nobody; ++looks) {
      if (looks >= looks_before_yield) std::this_thread::yield();
    }
  }

  std::atomic<Thread> owner_{nobody};
  bool shared_;
  bool held_over_fork_ = false;
  Lock* next_ = nullptr;  // in the list of all locks
  Lock* prev_ = nullptr;
};

// How often this process, or one of those that it comes from, has been forked off.
[[nodiscard]] unsigned fork_count() noexcept;

// Holds a lock for as long as it lives; or does not, where the thread has it already.
class Guard {
 public:
  explicit Guard(Lock& lock) noexcept : lock_(lock.lock() ? &lock : nullptr) {}
  ~Guard() {
    if (lock_ != nullptr) lock_->unlock();
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  [[nodiscard]] explicit operator bool() const noexcept { return lock_ != nullptr; }

 private:
  Lock* lock_;
};

}  // namespace glassheap
