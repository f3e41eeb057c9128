// config.hpp: the build configuration of checks, poisoning and crash points.
//
//     -DGLASSHEAP_CHECKS=none    leaves out every check of malloc and free, to measure their cost
//     AddressSanitizer           poisons the bytes that a program must not touch
//     GLASSHEAP_CRASH_POINTS     lets a test end the process between any two stores
//
// In a release build the checks are on, and poison() and crash_point() do nothing.
#pragma once

#include "glassheap/types.hpp"

#ifdef __has_feature
#define GLASSHEAP_HAS_ASAN __has_feature(address_sanitizer)
#endif
#if defined(__SANITIZE_ADDRESS__) || (defined(GLASSHEAP_HAS_ASAN) && GLASSHEAP_HAS_ASAN)
#include <sanitizer/asan_interface.h>
// Marks a function that may touch poisoned bytes.
#define GLASSHEAP_NO_ASAN __attribute__((no_sanitize("address")))
#else
#define ASAN_POISON_MEMORY_REGION(first, size) (static_cast<void>(first), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(first, size) (static_cast<void>(first), static_cast<void>(size))
#define GLASSHEAP_NO_ASAN
#endif

namespace glassheap {

// False only in a build that measures the cost of the checks. Such a build has no seal and trusts
// every pointer, header and node: never use it for anything else.
#ifdef GLASSHEAP_WITHOUT_CHECKS
inline constexpr bool checking = false;
#else
inline constexpr bool checking = true;
#endif

inline void poison(const void* first, Size size) noexcept {
  ASAN_POISON_MEMORY_REGION(first, size);
}
inline void unpoison(const void* first, Size size) noexcept {
  ASAN_UNPOISON_MEMORY_REGION(first, size);
}

// Called after each store that another process may find to be the last one of a killed process.
#ifdef GLASSHEAP_CRASH_POINTS
void crash_point() noexcept;  // defined by the test
#else
inline void crash_point() noexcept {}
#endif

}  // namespace glassheap
