// fork_list.hpp: what a forked child lets go of at once, because its parent goes on with it.
//
// A lock of the kernel on an open file description lasts until the last process that has the
// description lets go of it. A child that kept its parent's would keep the locks of a dead parent.
#pragma once

#include <mutex>

namespace glassheap {

class ForkListed {
 public:
  ForkListed(const ForkListed&) = delete;
  ForkListed& operator=(const ForkListed&) = delete;

  // For fork() (lock.cpp), which locks all heaps first and this list last.
  static void lock_all() noexcept { mutex().lock(); }
  static void unlock_all() noexcept { mutex().unlock(); }
  static void let_go_in_child() noexcept;

 protected:
  ForkListed() = default;
  ~ForkListed() = default;  // delisted by then

  // While it is held, no fork comes in between.
  static std::mutex& mutex() noexcept;
  // Makes fork() call the three functions above. Without the mutex.
  static void expect_forks() noexcept;

  // With the mutex. A child's are delisted.
  void enlist() noexcept;
  void delist() noexcept;

 private:
  // In a forked child, whose parent has enlisted this.
  virtual void let_go() noexcept = 0;

  static ForkListed*& head() noexcept;

  bool listed_ = false;
  ForkListed* next_ = nullptr;
  ForkListed* prev_ = nullptr;
};

}  // namespace glassheap
