#include "base/lock.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/fork_list.hpp"

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

namespace glassheap {
namespace {

constexpr char no_threads_meet = 1;

// A flag that is not 0 while no two threads can meet at a lock.
const char* uncontended_flag(bool multithreaded) noexcept {
#if __has_include(<sys/single_threaded.h>)
  return multithreaded ? &__libc_single_threaded : &no_threads_meet;
#else
  constexpr static char threads_may_meet = 0;
  return multithreaded ? &threads_may_meet : &no_threads_meet;
#endif
}

}  // namespace

// Every lock of the process. Lock order: the registry's own mutex, then any heap's lock, then the
// inner locks of that heap, then the mutex of the fork list (fork_list.hpp). A thread never opens or
// destroys a heap while it holds a heap's lock.
class LockRegistry {
 public:
  static LockRegistry& instance() {
    static auto* const registry = new LockRegistry;  // never destroyed: heaps may outlive statics
    return *registry;
  }

  void add(Lock& lock, LockRank rank) {
    const std::lock_guard guard(mutex_);
    locks_[static_cast<std::size_t>(rank)].emplace(&lock, false);
  }

  void remove(Lock& lock) {
    const std::lock_guard guard(mutex_);
    for (Locks& locks : locks_) locks.erase(&lock);
  }

 private:
  LockRegistry() { pthread_atfork(lock_all, unlock_all, unlock_all_in_child); }

  // A signal handler may fork while its thread is inside a heap: lock() refuses for that
  // heap, and its lock stays held. No hook is called: a thread that runs meanwhile might wait for
  // the registry, as this thread would for it.
  static void lock_all() {
    instance().mutex_.lock();
    for (Locks& locks : instance().locks_) {
      for (auto& [lock, locked] : locks)
        locked = lock->lock(WaitMode::without_hook) == FaultKind::none;
    }
    ForkListed::lock_all();
  }
  static void unlock_all() {
    ForkListed::unlock_all();
    for (const Locks& locks : instance().locks_) {
      for (const auto& [lock, locked] : locks)
        if (locked) lock->unlock();
    }
    instance().mutex_.unlock();
  }

  static void unlock_all_in_child() {
    ++instance().fork_count_;
    ForkListed::let_go_in_child();
    unlock_all();
  }

  friend unsigned fork_count() noexcept;
  std::atomic<unsigned> fork_count_{0};
  std::mutex mutex_;
  using Locks = std::unordered_map<Lock*, bool>;  // true: the fork in progress has locked it
  std::array<Locks, 2> locks_;                    // by rank
};

unsigned fork_count() noexcept {
  return LockRegistry::instance().fork_count_.load(std::memory_order_relaxed);
}

Lock::Lock(bool multithreaded, LockRank rank) : uncontended_(uncontended_flag(multithreaded)) {
  LockRegistry::instance().add(*this, rank);
}
Lock::~Lock() { LockRegistry::instance().remove(*this); }

namespace {

// Passes some time without a load: 32 steps are the time of a few calls.
void pause(int steps) noexcept {
  for (int i = 0; i < steps; ++i) {
#ifdef __x86_64__
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
}

}  // namespace

// Only reads while the lock is held, and looks less often the longer it waits: the cache lines of
// the heap then stay with the owner for some calls. A thread that takes the lock at its first chance,
// again and again, makes both slower.
bool Lock::is_soon_free() const noexcept {
  constexpr int spins = 16;
  constexpr int yields = 64;
  constexpr int doublings = 4;
  for (int i = 0; i < spins + yields; ++i) {
    if (owner_.load(std::memory_order_relaxed) == no_thread) return true;
    if (i < spins) {
      pause(32 << std::min(i, doublings));
    } else {
      std::this_thread::yield();
    }
  }
  return false;
}

FaultKind Lock::wait_and_lock(Thread self, WaitMode mode) noexcept {
  if (owner_.load(std::memory_order_relaxed) == self) return FaultKind::heap_busy;
  Wait wait(mode);
  Thread found = no_thread;
  while (!owner_.compare_exchange_weak(found, self, std::memory_order_acquire)) {
    if (!is_soon_free()) {
      if (const FaultKind given_up = wait.nap(); given_up != FaultKind::none) return given_up;
    }
    found = no_thread;
  }
  return FaultKind::none;
}

}  // namespace glassheap
