// real_functions.hpp: the allocator that the recorder passes each call on to, and the arena that
// serves while dlsym looks it up: dlsym itself may allocate.
#pragma once

#include <cstddef>

namespace glassheap::recorder {

struct RealFunctions {
  void* (*malloc)(std::size_t);
  void* (*calloc)(std::size_t, std::size_t);
  void* (*realloc)(void*, std::size_t);
  void* (*memalign)(std::size_t, std::size_t);
  void* (*aligned_alloc)(std::size_t, std::size_t);
  int (*posix_memalign)(void**, std::size_t, std::size_t);
  int (*dlclose)(void*);
  void (*quick_exit)(int);
  void (*free)(void*);
};

inline constinit RealFunctions real{};

// Looks up the real functions in the first call. Returns false until that is done. The first call
// comes from the loader, before there is a second thread.
[[gnu::cold]] bool look_up_real_functions() noexcept;
[[nodiscard]] inline bool ready() noexcept {
  return real.free != nullptr || look_up_real_functions();
}

// Zeros; null if the arena is full. No byte of it is used again.
[[nodiscard]] void* arena_take(std::size_t size) noexcept;
[[nodiscard]] bool in_arena(const void* block) noexcept;
// Moves a block out of the arena. Null if the real malloc refuses.
[[nodiscard]] void* arena_leave(const void* block, std::size_t size) noexcept;

}  // namespace glassheap::recorder
