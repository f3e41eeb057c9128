// damaged_heap.hpp: helpers of the corruption tests. A CheckedHeap that was overwritten checks the
// rest: that its reports are readable, no payload is touched, and reset() repairs it.
#pragma once

#include "checked_heap.hpp"

namespace glassheap {

inline void flip_byte(CheckedHeap& heap, Address place, unsigned mask = 0x5A) {
  heap.write_number(place, peek(*heap.at(place)) ^ std::byte(mask));
}

// Makes every call that would change a damaged heap, which must refuse it.
inline void use_damaged(CheckedHeap& heap, Address live) {
  heap.malloc(1);
  heap.calloc(1, 1);
  heap.realloc(0, 1);
  heap.realloc(live, 1);
  heap.free(live);
  heap.free(0);
  heap.malloc_many({1});
  heap.free_many({live});
  static_cast<void>(heap.acquire(1, 16));
  heap.release({});
}

// Returns true if one of these blocks, when freed, merges with the other; if the policy does not
// coalesce, true if they are adjacent.
[[nodiscard]] inline bool would_coalesce(const CheckedHeap& heap, const BlockInfo& a,
                                         const BlockInfo& b) {
  if (splits_anywhere(heap->options()))
    return a.start + a.extent == b.start || b.start + b.extent == a.start;
  const Address origin = heap.model().origin();
  return a.extent == b.extent && ((a.start - origin) ^ a.extent) == b.start - origin;
}

}  // namespace glassheap
