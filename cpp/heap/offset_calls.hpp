// offset_calls.hpp: the malloc and free of an offset heap.
//
//     caller     offset, bytes of the caller            Heap::malloc, Heap::free
//        |
//     here       the same in the core's units           (units.hpp)
//        |
//     fast       the plain or the cached pair           (core/plain_calls.hpp, thread_caches.hpp)
//        |
//     not done   back here; then HeapState's malloc and free, in the caller's units
//
// For the fast pair the core's first byte has the address offset_origin, so that 0 is no payload.
#pragma once

#include "core/front_line.hpp"
#include "glassheap/options.hpp"

namespace glassheap {

inline constexpr Address offset_origin = granule_size;

// The pair that Heap's functions call.
[[nodiscard]] const FrontCalls& offset_calls(const Options& options) noexcept;

// In the place of the careful pair, for the fast one: they do nothing, without a fault.
extern const FrontCalls calls_not_done;

}  // namespace glassheap
