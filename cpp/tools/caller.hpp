// caller.hpp: where a call of the program came from.
#pragma once

#include <cstdint>

namespace glassheap::recorder {

#if defined(__x86_64__) && defined(__LP64__)
inline constexpr bool knows_frames = true;
#else
inline constexpr bool knows_frames = false;
#endif

// What the machine has when a call returns. The last two are 0 on a machine whose frames are not known.
struct Caller {
  std::uintptr_t site = 0;   // the return address
  std::uintptr_t stack = 0;  // the stack pointer
  std::uintptr_t frame = 0;  // the frame pointer, whatever that function uses it for
};

// Of the function that this is written in.
[[gnu::always_inline]] inline Caller this_caller() noexcept {
  const auto site = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
  if constexpr (!knows_frames) return {.site = site};
  // | the caller's frame pointer | the return address | the caller's stack ...
  const auto* const frame = static_cast<const std::uintptr_t*>(__builtin_frame_address(0));
  return {site, reinterpret_cast<std::uintptr_t>(frame + 2), frame[0]};
}

}  // namespace glassheap::recorder
