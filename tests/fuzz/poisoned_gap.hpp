// poisoned_gap.hpp: the unused bytes between the guard page and the region, for AddressSanitizer.
//
//     | guard page | gap, poisoned here | region ............ | guard page |
//
// The region is as close to the guard page behind it as its alignment permits. In front of it there
// may be a gap of less than a page, which no correct call touches.
#pragma once

#include <bit>

#include "glassheap/types.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define GLASSHEAP_FUZZ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GLASSHEAP_FUZZ_ASAN 1
#endif
#endif
#ifdef GLASSHEAP_FUZZ_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace glassheap::fuzzing {

// Poisons the gap as long as it lives. Without AddressSanitizer it does nothing.
class PoisonedGap {
 public:
  explicit PoisonedGap(Address region) : region_(region) { set(true); }
  PoisonedGap(const PoisonedGap&) = delete;
  PoisonedGap& operator=(const PoisonedGap&) = delete;
  ~PoisonedGap() { set(false); }

 private:
  void set([[maybe_unused]] bool poisoned) const {
#ifdef GLASSHEAP_FUZZ_ASAN
    const Size width = region_ % 4096;
    const auto* const from = std::bit_cast<const void*>(region_ - width);
    if (poisoned) {
      __asan_poison_memory_region(from, width);
    } else {
      __asan_unpoison_memory_region(from, width);
    }
#endif
  }

  [[maybe_unused]] Address region_;
};

}  // namespace glassheap::fuzzing
