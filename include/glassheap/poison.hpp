// poison.hpp: memory out of bounds, for programs that are built with AddressSanitizer.
//
// In any other build both functions do nothing.
#pragma once

#include "glassheap/units.hpp"

#ifdef __has_feature
#define GLASSHEAP_HAS_ASAN __has_feature(address_sanitizer)
#endif
#if defined(__SANITIZE_ADDRESS__) || (defined(GLASSHEAP_HAS_ASAN) && GLASSHEAP_HAS_ASAN)
#include <sanitizer/asan_interface.h>
// On a function that may touch what is out of bounds for everybody else.
#define GLASSHEAP_INSIDE __attribute__((no_sanitize("address")))
#else
#define ASAN_POISON_MEMORY_REGION(first, size) (static_cast<void>(first), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(first, size) (static_cast<void>(first), static_cast<void>(size))
#define GLASSHEAP_INSIDE
#endif

namespace glassheap {

inline void poison(const void* first, Size size) noexcept {
  ASAN_POISON_MEMORY_REGION(first, size);
}
inline void unpoison(const void* first, Size size) noexcept {
  ASAN_UNPOISON_MEMORY_REGION(first, size);
}

}  // namespace glassheap
