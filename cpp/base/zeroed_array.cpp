#include "base/zeroed_array.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>

namespace glassheap {
namespace {

// An array of this size or more has its own pages: they can be given back one by one.
constexpr std::size_t least_mapped = std::size_t{256} << 10;

}  // namespace

void* allocate_zeroed(std::size_t bytes, std::size_t& mapped) noexcept {
  mapped = bytes >= least_mapped ? bytes : 0;
  if (mapped == 0) return std::calloc(bytes, 1);
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void ArrayDeleter::operator()(void* memory) const noexcept {
  if (borrowed) return;
  if (mapped == 0) {
    std::free(memory);
  } else {
    munmap(memory, mapped);
  }
}

namespace {

// Writes to no word that is zero already: borrowed memory may be pages that are still untouched.
void wipe(void* memory, std::size_t bytes) noexcept {
  auto* const words = static_cast<std::uint64_t*>(memory);
  for (std::size_t i = 0; i < bytes / sizeof *words; ++i) {
    if (words[i] != 0) words[i] = 0;
  }
}

}  // namespace

// On Linux private pages read as zeros once they are given back; other systems do not promise it.
void zero_again(void* memory, std::size_t bytes, const ArrayDeleter& how) noexcept {
#ifdef __linux__
  if (how.mapped != 0 && madvise(memory, how.mapped, MADV_DONTNEED) == 0) return;
#endif
  if (how.borrowed) {
    wipe(memory, (bytes + 63) / 64 * 64);
    return;
  }
  std::memset(memory, 0, bytes);
}

}  // namespace glassheap
