// gil.hpp: letting the GIL go while C++ runs, and taking it back.
//
// Where Python has ended, a thread that asks for the GIL does not return: Python up to 3.13 ends it
// with pthread_exit, which unwinds its frames. Many of these are noexcept, so that the whole program
// would abort. Here such a thread sleeps until the process ends, as it does in Python 3.14.
#pragma once

#include <unistd.h>

#include <utility>

#include "bindings.hpp"

namespace glassheap::bindings {

[[noreturn]] inline void sleep_for_ever() noexcept {
  while (true) pause();
}

// Calls a function that takes the GIL. The handler also catches what pthread_exit unwinds with.
template <typename Take>
void take_or_sleep(Take take) noexcept {
  try {
    take();
  } catch (...) {
    sleep_for_ever();
  }
}

// True in the thread that ends Python: it alone has the GIL by then, and comes back.
inline thread_local constinit bool ends_python = false;

// Lets the GIL go. Returns the state of the thread.
PyThreadState* release_gil() noexcept;
// Takes it back.
void take_gil_back(PyThreadState* thread) noexcept;

// The state of this thread while a GilReleased lives: waits take the GIL with it for a moment.
inline thread_local constinit PyThreadState* released_thread = nullptr;

// Lets the GIL go for as long as it lives.
class GilReleased {
 public:
  GilReleased() noexcept : outer_(std::exchange(released_thread, release_gil())) {}
  ~GilReleased() { take_gil_back(std::exchange(released_thread, outer_)); }
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

 private:
  PyThreadState* outer_;
};

// Holds the GIL for as long as it lives, in a thread that may have it already.
class GilHeld {
 public:
  GilHeld() noexcept {
    take_or_sleep([this] { before_ = PyGILState_Ensure(); });
  }
  ~GilHeld() { PyGILState_Release(before_); }
  GilHeld(const GilHeld&) = delete;
  GilHeld& operator=(const GilHeld&) = delete;

 private:
  PyGILState_STATE before_{};
};

// Python's own waiting for the GIL reads memory that is gone once Python has ended. When the module
// goes, this waits until the threads that wait for the GIL have seen that it ends, those that wait
// in Python's own code included.
void wait_at_the_end(py::module_& module);

// --- Waits inside a heap. ------------------------------------------------------------------------

// Lets other threads run, and handles signals, while a thread waits. A handler that raises ends the
// wait: the call is refused as interrupted, and set_error() leaves the exception as it is.
void install_nap_hook() noexcept;

// While it lives, no signal is handled in a wait of this thread: for code that cannot raise.
class Uninterrupted {
 public:
  Uninterrupted() noexcept { ++depth; }
  ~Uninterrupted() { --depth; }
  Uninterrupted(const Uninterrupted&) = delete;
  Uninterrupted& operator=(const Uninterrupted&) = delete;

  [[nodiscard]] static bool applies() noexcept { return depth != 0; }

 private:
  static inline thread_local constinit unsigned depth = 0;
};

}  // namespace glassheap::bindings
