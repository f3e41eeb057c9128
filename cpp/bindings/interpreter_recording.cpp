// interpreter_recording.cpp: records what the running interpreter asks of its allocators.
//
// CPython has three, one for each domain (PEP 445), and lets them be replaced. Each is wrapped: the
// wrapper calls the allocator that was there, and adds an event to the recording.
//
//     object   PyObject_Malloc    objects                 ---+
//     mem      PyMem_Malloc       buffers, with the GIL   ---+-- pymalloc: up to 512 bytes, in arenas
//     raw      PyMem_RawMalloc    without the GIL         ------ the C library; also for larger ones
//
// A request that an allocator passes to another one is recorded once, as the program made it. Arenas
// come from mmap, and are not seen here.
//
// The wrappers stay for ever: another thread may be in one. Without a recording they read one flag.
// An allocator is five words, which other threads may read while they change. So a wrapper keeps the
// context of the allocator that it wraps: whichever words a thread reads, they fit together.
//
// A forked child leaves the recording to its parent.

#include <pthread.h>

#include <atomic>
#include <cerrno>

#include "arguments.hpp"
#include "functions.hpp"
#include "system_errors.hpp"
#include "trace/earlier_recording.hpp"
#include "trace/trace_file.hpp"

namespace glassheap::bindings::interpreter_recording {
namespace {

using trace::Event;
using trace::EventKind;

constexpr std::array all_domains = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
constexpr unsigned shift = 3;  // every allocator aligns to 8 bytes at least
constexpr std::array domain_names = {"raw", "mem", "object"};

struct State {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  std::atomic<bool> on = false;
  trace::TraceFile file;
};

// Never destroyed: threads may allocate while the process ends.
State& recording = *new State;

thread_local bool inside = false;  // a wrapper
thread_local bool seen = false;    // by a wrapper, since it was last set to false
thread_local std::uint64_t thread_id = 0;

class Locked {
 public:
  Locked() noexcept { pthread_mutex_lock(&recording.mutex); }
  ~Locked() { pthread_mutex_unlock(&recording.mutex); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
};

// A call of a wrapper, from its begin to its end. False if it is not to be recorded.
class Entry {
 public:
  Entry() noexcept : outermost_(!inside) { inside = seen = true; }
  ~Entry() {
    if (outermost_) inside = false;
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  explicit operator bool() const noexcept {
    return outermost_ && recording.on.load(std::memory_order_relaxed);
  }

 private:
  bool outermost_;
};

std::uint64_t number_of(const void* block) noexcept {
  return reinterpret_cast<std::uintptr_t>(block);
}

// Under the lock.
void add_locked(Event event) noexcept {
  if (!recording.file.is_open()) return;
  if (thread_id == 0) thread_id = PyThread_get_thread_native_id();
  event.thread = thread_id;
  event.time = recording.file.now();
  recording.file.add(event);
}
void add(const Event& event) noexcept {
  const Locked lock;
  add_locked(event);
}

Event allocated(const void* block, std::size_t size, std::uint32_t tag) noexcept {
  const EventKind kind = block == nullptr ? EventKind::failed_malloc : EventKind::malloc;
  return {.kind = kind, .address = number_of(block), .size = size, .tag = tag};
}
Event resized(std::uint64_t before, const void* after, std::size_t size,
              std::uint32_t tag) noexcept {
  const EventKind kind = after == nullptr ? EventKind::failed_realloc : EventKind::realloc;
  return {.kind = kind, .address = before, .result = number_of(after), .size = size, .tag = tag};
}

// The wrappers of one domain. The lock is held over a realloc: what it frees may be given to another
// thread at once.
template <std::size_t number>
struct Wrapped {
  static inline PyMemAllocatorEx real{};
  static constexpr std::uint32_t tag = number + 1;

  static void* malloc(void* context, std::size_t size) noexcept {
    const Entry entry;
    void* const block = real.malloc(context, size);
    if (entry) add(allocated(block, size, tag));
    return block;
  }
  static void* calloc(void* context, std::size_t count, std::size_t size) noexcept {
    const Entry entry;
    void* const block = real.calloc(context, count, size);
    if (entry) add(allocated(block, count * size, tag));
    return block;
  }
  static void* realloc(void* context, void* block, std::size_t size) noexcept {
    const Entry entry;
    if (!entry) return real.realloc(context, block, size);
    if (number == 0 && PyGILState_Check() == 0) return realloc_unlocked(context, block, size);
    const std::uint64_t before = number_of(block);
    const Locked lock;
    void* const after = real.realloc(context, block, size);
    add_locked(before == 0 ? allocated(after, size, tag) : resized(before, after, size, tag));
    return after;
  }
  // tracemalloc, if it lies below, waits for the GIL here, and a thread that has the GIL may wait for
  // the lock. So a raw realloc without the GIL is recorded as a free and a malloc.
  static void* realloc_unlocked(void* context, void* block, std::size_t size) noexcept {
    if (block != nullptr) add({.kind = EventKind::free, .address = number_of(block)});
    void* const after = real.realloc(context, block, size);
    add(allocated(after, size, tag));
    return after;
  }
  static void free(void* context, void* block) noexcept {
    const Entry entry;
    if (entry && block != nullptr) add({.kind = EventKind::free, .address = number_of(block)});
    real.free(context, block);
  }

  // Returns true if requests come by the wrapper, directly or through another one. Another module
  // may have put back what was there before: tracemalloc does, when it stops.
  static bool is_installed() noexcept {
    PyMemAllocatorEx now{};
    PyMem_GetAllocator(all_domains[number], &now);
    seen = false;
    now.free(now.ctx, now.malloc(now.ctx, 1));
    return seen;
  }
  static void install() noexcept {
    if (is_installed()) return;
    PyMem_GetAllocator(all_domains[number], &real);
    PyMemAllocatorEx wrapper{real.ctx, malloc, calloc, realloc, free};
    PyMem_SetAllocator(all_domains[number], &wrapper);
  }
};

// --- The recording -------------------------------------------------------------------------------
void lock_for_fork() { pthread_mutex_lock(&recording.mutex); }
void unlock_in_parent() { pthread_mutex_unlock(&recording.mutex); }
void leave_to_parent() {
  recording.on = false;
  recording.file.close();
  thread_id = 0;
  pthread_mutex_unlock(&recording.mutex);
}

void install_once() {
  static const int refused = pthread_atfork(lock_for_fork, unlock_in_parent, leave_to_parent);
  if (refused != 0) throw std::bad_alloc();
  Wrapped<0>::install();
  Wrapped<1>::install();
  Wrapped<2>::install();
}

void add_marks(const std::string& command) noexcept {
  recording.file.add(trace::Mark{.text = "recorder=python"});
  recording.file.add(trace::Mark{.text = command});
  for (std::size_t i = 0; i < domain_names.size(); ++i)
    recording.file.add(trace::Mark{trace::MarkKind::tag, i + 1, domain_names[i]});
}

int create_locked(const std::string& path, const std::string& command) noexcept {
  const Locked lock;
  const int error = recording.file.create(path.c_str(), shift);
  if (error == 0) add_marks(command);
  return error;
}

// Returns 0, or errno.
int create(const std::string& path, const std::string& command) {
  trace::EarlierRecording earlier(path);
  if (const int reason = earlier.set_aside()) return reason;
  const int error = create_locked(path, command);
  error == 0 ? earlier.remove() : earlier.put_back();
  return error == EEXIST ? EBUSY : error;  // another process has created the file since
}

void require_one_lock() {
#ifdef Py_GIL_DISABLED
  PyErr_SetString(PyExc_RuntimeError,
                  "a free-threaded interpreter cannot be recorded: its allocators may not be "
                  "replaced while threads run; use glassheap record.");
  throw py::error_already_set();
#endif
}

constexpr const char start_doc[] = R"(_start_recording(path, command)
--

Record this interpreter's allocations to a file, until _stop_recording().

Returns False if it is being recorded already. Raises OSError if and only if the file cannot be
made.)";

bool start(py::handle given_path, py::handle given_command) {
  const std::string path = require_bytes(given_path, "path");
  const std::string command = "command=" + require_string(given_command, "command");
  if (path.find('\0') != std::string::npos) throw py::value_error("embedded null byte");
  require_one_lock();
  if (recording.on) return false;
  install_once();
  if (const int error = create(path, command)) raise_unrecorded(error, path);
  recording.on = true;
  return true;
}

constexpr const char stop_doc[] = R"(_stop_recording()
--

End the recording of this interpreter's allocations.)";

void stop() noexcept {
  const Locked lock;
  recording.on = false;
  recording.file.finish();
}

std::array functions = {
    module_function<start_doc, start>(),
    module_function<stop_doc, stop>(),
};

}  // namespace
}  // namespace glassheap::bindings::interpreter_recording

namespace glassheap::bindings {

void add_interpreter_recording(py::module_& module) {
  add_functions(module, interpreter_recording::functions);
}

}  // namespace glassheap::bindings
