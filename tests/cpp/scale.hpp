// scale.hpp: the size of a long test, by the kind of build.
//
// Exhaustive tests and long random runs are sized for an optimised build. Under a sanitizer, or
// without optimisation, the same test runs on a smaller scope, so that it ends in seconds there
// too.
#pragma once

namespace glassheap {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
inline constexpr bool slow_build = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool slow_build = true;
#else
inline constexpr bool slow_build = false;
#endif
#else
inline constexpr bool slow_build = false;
#endif

// Returns `full` in an optimised build, `reduced` in a slow one.
[[nodiscard]] constexpr int scaled(int full, int reduced) noexcept {
  return slow_build ? reduced : full;
}

}  // namespace glassheap
