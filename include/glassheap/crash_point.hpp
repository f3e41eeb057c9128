// crash_point.hpp: where a test may end the process, as a kill would: between two stores.
//
// In every build but that test's it is nothing.
#pragma once

namespace glassheap {

#ifdef GLASSHEAP_CRASH_POINTS
void crash_point() noexcept;  // the test's own
#else
inline void crash_point() noexcept {}
#endif

}  // namespace glassheap
