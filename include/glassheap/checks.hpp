// checks.hpp: whether the heap checks anything at all. It does.
//
// A build with -DGLASSHEAP_CHECKS=none leaves out every check of a pointer, a header and a node
// that malloc and free make, and the seal, so that what they cost can be measured against it.
// Nobody else should want it: it believes whatever it is told.
#pragma once

namespace glassheap {

#ifdef GLASSHEAP_WITHOUT_CHECKS
inline constexpr bool checking = false;
#else
inline constexpr bool checking = true;
#endif

}  // namespace glassheap
