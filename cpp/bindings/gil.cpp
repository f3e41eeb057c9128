// gil.cpp: what happens around a nap of a thread that waits inside a heap.

#include "gil.hpp"

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
void* before_nap() { return has_gil() ? PyEval_SaveThread() : nullptr; }

bool after_nap(void* from_before, bool may_end) {
  const bool had_gil = from_before != nullptr;
  auto* const own = had_gil ? static_cast<PyThreadState*>(from_before) : released_thread;
  if (own == nullptr || (!had_gil && !may_end)) return true;
  take_or_sleep([own] { PyEval_RestoreThread(own); });
  const bool goes_on = !may_end || handle_signals();
  if (!had_gil) PyEval_SaveThread();
  return goes_on;
}

constexpr NapHook python_hook{before_nap, after_nap};

}  // namespace

void install_nap_hook() noexcept { set_nap_hook(&python_hook); }

}  // namespace glassheap::bindings
