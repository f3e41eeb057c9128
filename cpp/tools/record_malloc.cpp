// record_malloc.cpp: records the malloc calls of a real program as a trace that any heap can replay.
//
// A placement policy is judged by the requests of real programs. The dynamic linker lets a library
// that is loaded first replace malloc and its relatives. This library passes each call on to the real
// function, and adds an event for it to the recording of the process:
//
//     GLASSHEAP_TRACE=/home/me/app.trace LD_PRELOAD=.../record_malloc.so program arguments...
//
// `glassheap record` types that. Each event has the address, the size and the alignment that was
// asked for, the thread, and the time, those of mallocs and reallocs the place that made the call. Calls
// that fail are events too. Frees of null are none.
//
// How it disturbs neither the program nor itself:
//   - It never allocates. The file is mapped (trace/trace_file.hpp), all else lies in static storage,
//     or in pages from mmap. It needs no library but that of C.
//   - dlsym may allocate while it looks up the real functions: a small static arena serves it.
//   - The events of all threads are in an order in which the calls may have happened. An event of a
//     free is added before the real call, that of a malloc after it, so the address of a freed block
//     is given again later in the recording too. A realloc does both: the lock is held over it.
//   - A call from a thread that is in the recorder already (in a signal handler, or from within the
//     real function) passes through unrecorded.
//   - A child has a file of its own (process_recording.hpp).
//   - An error is a sentence on stderr and ends the recording; the program runs on.
//
// A program that is killed loses nothing: what a call added is in the file when the call returns.
#include <dlfcn.h>
#include <malloc.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdlib>
#include <limits>

#include "process_recording.hpp"
#include "real_functions.hpp"

#ifndef __THROW  // musl's headers promise nothing
#define __THROW
#endif
#define GLASSHEAP_EXPORT extern "C" [[gnu::visibility("default")]]

namespace {

using namespace glassheap::recorder;  // NOLINT: all of this file is about them
using glassheap::trace::Event;
using glassheap::trace::EventKind;

constexpr Caller no_caller;

std::uint64_t number_of(const void* block) noexcept {
  return reinterpret_cast<std::uintptr_t>(block);
}

// --- Adding the event of one call ----------------------------------------------------------------
void add(const Event& event, const Caller& caller) noexcept {
  recording().begin();
  recording().lock();
  recording().add(event, caller);
  recording().unlock();
}

void add_new(const void* block, std::size_t size, std::size_t align,
             const Caller& caller) noexcept {
  const EventKind kind = block == nullptr ? EventKind::failed_malloc : EventKind::malloc;
  const std::uint64_t power = align == 0 ? 0 : std::bit_ceil(align);
  add({.kind = kind, .address = number_of(block), .size = size, .align = power}, caller);
}

Event resized(std::uint64_t before, const void* after, std::size_t size) noexcept {
  if (after == nullptr && size == 0) return {.kind = EventKind::free, .address = before};
  if (after == nullptr) return {.kind = EventKind::failed_realloc, .address = before, .size = size};
  return {.kind = EventKind::realloc, .address = before, .result = number_of(after), .size = size};
}

// --- The calls. An invalid alignment is no request that a heap has to refuse: no event -----------
void* allocate(std::size_t size, const Caller& caller) noexcept {
  if (!ready()) return arena_take(size);
  const Entry entry;
  void* const block = real.malloc(size);
  if (entry) add_new(block, size, 0, caller);
  return block;
}

void* allocate_aligned(void* (*function)(std::size_t, std::size_t), std::size_t align,
                       std::size_t size, const Caller& caller) noexcept {
  const Entry entry;
  void* const block = function(align, size);
  if (entry && (block != nullptr || errno != EINVAL)) add_new(block, size, align, caller);
  return block;
}

void* resize(void* block, std::size_t size, const Caller& caller) noexcept {
  const Entry entry;
  if (!entry) return real.realloc(block, size);
  const std::uint64_t before = number_of(block);
  recording().begin();
  recording().lock();
  void* const after = real.realloc(block, size);
  recording().add(resized(before, after, size), caller);
  recording().unlock();
  return after;
}

void* reallocate(void* block, std::size_t size, const Caller& caller) noexcept {
  if (block == nullptr) return allocate(size, caller);
  if (in_arena(block)) return arena_leave(block, size);
  return ready() ? resize(block, size, caller) : nullptr;
}

void release(void* block) noexcept {
  if (block == nullptr || in_arena(block) || !ready()) return;
  const Entry entry;
  if (entry) add({.kind = EventKind::free, .address = number_of(block)}, no_caller);
  real.free(block);
}

std::size_t product(std::size_t count, std::size_t size) noexcept {
  std::size_t bytes = 0;
  return __builtin_mul_overflow(count, size, &bytes) ? std::numeric_limits<std::size_t>::max()
                                                     : bytes;
}

std::size_t page() noexcept { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

// Pages for a size, which is rounded up to theirs.
void* whole_pages(std::size_t align, std::size_t size) noexcept {
  const std::size_t rounded = (size + align - 1) / align * align;
  return real.memalign(align, rounded < size ? size : rounded);
}

// The file exists also if the program never allocates.
[[gnu::constructor]] void begin() noexcept {
  const Entry entry;
  if (ready() && entry) recording().begin();
}

// It runs before the destructors of the program's libraries: their calls come later.
[[gnu::destructor]] void begin_to_exit() noexcept {
  const Entry entry;
  if (entry) recording().seal_from_now_on();
}

// Also a child by vfork ends so, with the recording of its parent, who goes on.
[[noreturn]] void end_at_once(int status) noexcept {
  {
    const Entry entry;
    if (entry) recording().seal();
  }
  for (;;) syscall(SYS_exit_group, status);
}

}  // namespace

// --- The functions that the program calls --------------------------------------------------------
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): those of the C library's headers
GLASSHEAP_EXPORT void* malloc(std::size_t size) __THROW { return allocate(size, this_caller()); }

GLASSHEAP_EXPORT void* calloc(std::size_t count, std::size_t size) __THROW {
  if (!ready()) return arena_take(product(count, size));
  const Entry entry;
  void* const block = real.calloc(count, size);
  if (entry) add_new(block, product(count, size), 0, this_caller());
  return block;
}

GLASSHEAP_EXPORT void* realloc(void* block, std::size_t size) __THROW {
  return reallocate(block, size, this_caller());
}

GLASSHEAP_EXPORT void* reallocarray(void* block, std::size_t count, std::size_t size) __THROW {
  std::size_t bytes = 0;
  if (!__builtin_mul_overflow(count, size, &bytes)) return reallocate(block, bytes, this_caller());
  errno = ENOMEM;
  return nullptr;
}

GLASSHEAP_EXPORT void* memalign(std::size_t align, std::size_t size) __THROW {
  if (!ready()) return nullptr;
  return allocate_aligned(real.memalign, align, size, this_caller());
}

GLASSHEAP_EXPORT void* aligned_alloc(std::size_t align, std::size_t size) __THROW {
  if (!ready()) return nullptr;
  return allocate_aligned(real.aligned_alloc, align, size, this_caller());
}

GLASSHEAP_EXPORT void* valloc(std::size_t size) __THROW {
  if (!ready()) return nullptr;
  return allocate_aligned(real.memalign, page(), size, this_caller());
}

GLASSHEAP_EXPORT void* pvalloc(std::size_t size) __THROW {
  if (!ready()) return nullptr;
  return allocate_aligned(whole_pages, page(), size, this_caller());
}

GLASSHEAP_EXPORT int posix_memalign(void** block, std::size_t align, std::size_t size) __THROW {
  if (!ready()) return ENOMEM;
  const Entry entry;
  const int failure = real.posix_memalign(block, align, size);
  if (entry && failure != EINVAL)
    add_new(failure == 0 ? *block : nullptr, size, align, this_caller());
  return failure;
}

GLASSHEAP_EXPORT void free(void* block) __THROW { release(block); }

// In C23. A library that lacks them cannot free past the recorder.
GLASSHEAP_EXPORT void free_sized(void* block, std::size_t /*size*/) __THROW { release(block); }
GLASSHEAP_EXPORT void free_aligned_sized(void* block, std::size_t /*align*/,
                                         std::size_t /*size*/) __THROW {
  release(block);
}

// The destructors of the library may call, and are recorded: this is no Entry yet.
GLASSHEAP_EXPORT int dlclose(void* library) __THROW {
  if (!ready()) return -1;
  const int failure = real.dlclose(library);
  const Entry entry;
  if (entry) recording().forget_unloaded_callers();
  return failure;
}

// The ends without destructors, which children of forks take. exit() does not come here.
GLASSHEAP_EXPORT [[gnu::noreturn]] void _exit(int status) { end_at_once(status); }
GLASSHEAP_EXPORT [[gnu::noreturn]] void _Exit(int status) __THROW { end_at_once(status); }
// The functions that it calls are those of at_quick_exit.
GLASSHEAP_EXPORT [[gnu::noreturn]] void quick_exit(int status) __THROW {
  begin_to_exit();
  if (ready()) real.quick_exit(status);
  end_at_once(status);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
