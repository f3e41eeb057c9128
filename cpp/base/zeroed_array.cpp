#include "base/zeroed_array.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>

namespace glassheap {
namespace {

// An array of this size or more has its own pages: they can be given back one by one.
constexpr std::size_t mmap_threshold = std::size_t{256} << 10;

}  // namespace

void* allocate_zeroed(std::size_t bytes, std::size_t& mapped_bytes) noexcept {
  mapped_bytes = bytes >= mmap_threshold ? bytes : 0;
  if (mapped_bytes == 0) return std::calloc(bytes, 1);
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void ArrayDeleter::operator()(void* memory) const noexcept {
  if (borrowed) return;
  if (mapped_bytes == 0) {
    std::free(memory);
  } else {
    munmap(memory, mapped_bytes);
  }
}

namespace {

// Writes to no word that is zero already: borrowed memory may be pages that are still untouched.
void clear_nonzero_words(void* memory, std::size_t bytes) noexcept {
  auto* const words = static_cast<std::uint64_t*>(memory);
  for (std::size_t i = 0; i < bytes / sizeof *words; ++i) {
    if (words[i] != 0) words[i] = 0;
  }
}

}  // namespace

// On Linux private pages read as zeros once they are given back; other systems do not promise it.
void reset_to_zero(void* memory, std::size_t bytes, const ArrayDeleter& deleter) noexcept {
#ifdef __linux__
  if (deleter.mapped_bytes != 0 && madvise(memory, deleter.mapped_bytes, MADV_DONTNEED) == 0)
    return;
#endif
  if (deleter.borrowed) {
    clear_nonzero_words(memory, (bytes + 63) / 64 * 64);
    return;
  }
  std::memset(memory, 0, bytes);
}

}  // namespace glassheap
