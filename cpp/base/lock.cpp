#include "base/lock.hpp"

#include <pthread.h>

#include <mutex>
#include <thread>

#include "base/own_file.hpp"

namespace glassheap {

// Every lock of the process. Lock order: the list's own mutex, then any heap's lock, then the
// mutex of the own files (own_file.hpp). A thread never opens or destroys a heap while it holds a
// heap's lock.
class LockRegistry {
 public:
  static LockRegistry& instance() {
    static auto* const registry = new LockRegistry;  // never destroyed: heaps may outlive statics
    return *registry;
  }

  void add(Lock& lock) {
    const std::lock_guard guard(mutex_);
    lock.next_ = head_;
    if (head_ != nullptr) head_->prev_ = &lock;
    head_ = &lock;
  }

  void remove(const Lock& lock) {
    const std::lock_guard guard(mutex_);
    (lock.prev_ != nullptr ? lock.prev_->next_ : head_) = lock.next_;
    if (lock.next_ != nullptr) lock.next_->prev_ = lock.prev_;
  }

 private:
  LockRegistry() { pthread_atfork(lock_all, unlock_all, unlock_all_in_child); }

  // A signal handler may fork while its thread is inside a heap: lock() refuses for that
  // heap, and its lock stays held. No hook is called: a thread that runs meanwhile might wait for
  // the list, as this thread would for it.
  static void lock_all() {
    instance().mutex_.lock();
    for (Lock* lock = instance().head_; lock != nullptr; lock = lock->next_)
      lock->locked_for_fork_ = lock->lock(WaitMode::without_hook) == FaultKind::none;
    OwnFile::lock_all();
  }
  static void unlock_all() {
    OwnFile::unlock_all();
    for (Lock* lock = instance().head_; lock != nullptr; lock = lock->next_) {
      if (lock->locked_for_fork_) lock->unlock();
    }
    instance().mutex_.unlock();
  }

  static void unlock_all_in_child() {
    ++instance().fork_count_;
    OwnFile::close_all_in_child();
    unlock_all();
  }

  friend unsigned fork_count() noexcept;
  std::atomic<unsigned> fork_count_{0};
  std::mutex mutex_;
  Lock* head_ = nullptr;
};

unsigned fork_count() noexcept {
  return LockRegistry::instance().fork_count_.load(std::memory_order_relaxed);
}

Lock::Lock(bool multithreaded) : multithreaded_(multithreaded) {
  LockRegistry::instance().add(*this);
}
Lock::~Lock() { LockRegistry::instance().remove(*this); }

// Only reads while the lock is held, so that waiting threads leave the cache line to its owner.
bool Lock::is_soon_free() const noexcept {
  constexpr int spins = 64;
  constexpr int yields = 64;
  for (int i = 0; i < spins + yields; ++i) {
    if (owner_.load(std::memory_order_relaxed) == no_thread) return true;
    if (i >= spins) std::this_thread::yield();
  }
  return false;
}

FaultKind Lock::wait_and_lock(Thread self, WaitMode mode) noexcept {
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
