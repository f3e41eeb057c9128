// gil.cpp: what happens around a nap of a thread that waits inside a heap.

#include "gil.hpp"

#include <atomic>
#include <chrono>
#include <thread>

#include "glassheap/waiting.hpp"

namespace glassheap::bindings {
namespace {

// False for a thread that Python does not know.
bool has_gil() noexcept {
  return PyGILState_GetThisThreadState() != nullptr && PyGILState_Check() != 0;
}

bool handle_signals() noexcept {
  if (Uninterrupted::applies() || PyErr_Occurred() != nullptr) return true;
  return PyErr_CheckSignals() == 0;
}

// The state of the thread if it had the GIL; otherwise null.
void* before_nap() { return has_gil() ? release_gil() : nullptr; }

bool after_nap(void* from_before, bool may_end) {
  const bool had_gil = from_before != nullptr;
  auto* const own = had_gil ? static_cast<PyThreadState*>(from_before) : released_thread;
  if (own == nullptr || (!had_gil && !may_end)) return true;
  take_gil_back(own);
  const bool goes_on = !may_end || handle_signals();
  if (!had_gil) static_cast<void>(release_gil());
  return goes_on;
}

constexpr NapHook python_hook{before_nap, after_nap};

// Threads that wait for the GIL in take_gil_back().
std::atomic<int> threads_coming_back{0};

// Threads that have let the GIL go in a heap, and live.
std::atomic<int> threads_known{0};

struct KnownThread {
  KnownThread() noexcept { ++threads_known; }
  ~KnownThread() { --threads_known; }
  KnownThread(const KnownThread&) = delete;
  KnownThread& operator=(const KnownThread&) = delete;
};

// They look every 5 ms if Python ends. Others may wait for longer, without the GIL. One of them may
// also wait in Python's own code, which does not count it: so each gets time for four looks.
void wait_for_threads(PyObject* /*capsule*/) noexcept {
  if (Py_IsInitialized() != 0) return;
  constexpr int longest_ms = 200;
  const int least_ms = threads_known.load() > 1 ? 20 : 0;
  for (int ms = 0; ms < longest_ms && (ms < least_ms || threads_coming_back.load() != 0); ++ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace

PyThreadState* release_gil() noexcept {
  static thread_local const KnownThread known;
  ends_python = Py_IsInitialized() == 0;
  return PyEval_SaveThread();
}

void take_gil_back(PyThreadState* thread) noexcept {
  if (Py_IsInitialized() == 0 && !ends_python) sleep_for_ever();
  ++threads_coming_back;
  try {
    PyEval_RestoreThread(thread);
    --threads_coming_back;
  } catch (...) {
    --threads_coming_back;
    sleep_for_ever();
  }
}

void wait_at_the_end(py::module_& module) {
  PyObject* const end = PyCapsule_New(&threads_coming_back, nullptr, wait_for_threads);
  if (end == nullptr) throw py::error_already_set();
  module.attr("_end") = py::reinterpret_steal<py::object>(end);
}

void install_nap_hook() noexcept { set_nap_hook(&python_hook); }

}  // namespace glassheap::bindings
