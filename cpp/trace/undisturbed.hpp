// undisturbed.hpp: Undisturbed, a call of the system that must not end the program or its thread.
//
// A recorder writes where the program allocates, and the program does not expect that. So while this
// lives, the thread is not cancelled (malloc is no place for that: it would keep its locks), and a
// write beyond the limit of a file's size, or to a pipe without a reader, is an error, not a signal
// that ends the program.
#pragma once

#include <pthread.h>

#include <array>
#include <csignal>

namespace glassheap::trace {

class Undisturbed {
 public:
  Undisturbed() noexcept {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_);
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int number : of_writes) sigaddset(&blocked, number);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask_);
    sigpending(&pending_);
  }
  ~Undisturbed() {
    for (const int number : of_writes) forget(number);
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    pthread_setcancelstate(cancel_state_, nullptr);
  }
  Undisturbed(const Undisturbed&) = delete;
  Undisturbed& operator=(const Undisturbed&) = delete;

 private:
  static constexpr std::array of_writes = {SIGXFSZ, SIGPIPE};

  // A signal that came since. One that waited before is the program's.
  void forget(int number) const noexcept {
    sigset_t now;
    sigpending(&now);
    if (sigismember(&now, number) == 0 || sigismember(&pending_, number) != 0) return;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    int taken = 0;
    sigwait(&one, &taken);
  }

  int cancel_state_ = PTHREAD_CANCEL_ENABLE;
  sigset_t mask_{};
  sigset_t pending_{};  // before
};

}  // namespace glassheap::trace
