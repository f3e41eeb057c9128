#include "real_functions.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace glassheap::recorder {
namespace {

constexpr std::size_t granule = 16;

alignas(granule) constinit std::array<std::byte, 8192> arena{};
constinit std::size_t arena_used = 0;

template <typename Function>
Function look_up(Function /*type*/, const char* name) noexcept {
  void* const found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    dprintf(STDERR_FILENO, "glassheap: the program's libraries have no %s to record\n", name);
    abort();
  }
  return reinterpret_cast<Function>(found);
}

}  // namespace

// `free` is assigned last: with it, the functions are there.
bool look_up_real_functions() noexcept {
  static constinit bool begun = false;
  if (begun) return false;
  begun = true;
  real.malloc = look_up(real.malloc, "malloc");
  real.calloc = look_up(real.calloc, "calloc");
  real.realloc = look_up(real.realloc, "realloc");
  real.memalign = look_up(real.memalign, "memalign");
  real.aligned_alloc = look_up(real.aligned_alloc, "aligned_alloc");
  real.posix_memalign = look_up(real.posix_memalign, "posix_memalign");
  real.dlclose = look_up(real.dlclose, "dlclose");
  real.quick_exit = look_up(real.quick_exit, "quick_exit");
  real.free = look_up(real.free, "free");
  return true;
}

void* arena_take(std::size_t size) noexcept {
  if (size > arena.size() - arena_used) return nullptr;
  void* const block = arena.data() + arena_used;
  arena_used += (size + granule - 1) / granule * granule;
  return block;
}

bool in_arena(const void* block) noexcept {
  return reinterpret_cast<std::uintptr_t>(block) - reinterpret_cast<std::uintptr_t>(&arena) <
         sizeof arena;
}

// The size of the block is unknown, so the copy may have bytes behind it, which does no harm.
void* arena_leave(const void* block, std::size_t size) noexcept {
  const auto* const bytes = static_cast<const std::byte*>(block);
  const auto readable = static_cast<std::size_t>(arena.data() + arena.size() - bytes);
  void* const moved = real.malloc(size);
  if (moved != nullptr) std::memcpy(moved, block, std::min(size, readable));
  return moved;
}

}  // namespace glassheap::recorder
