// mending.hpp: a heap whose blocks are damaged, made whole with what is left of it (fsck --rebuild).
#pragma once

#include "shared/core_in_segment.hpp"

namespace glassheap::shared {

// Rebuilds the heap from the block map; if that is broken too, from the headers, which costs the
// blocks whose header is not sound. Redzones and the fill of free memory are written anew. Returns
// false if the heap cannot be mended. Throws std::bad_alloc as CoreInterface::rebuild does.
[[nodiscard]] bool mend(CoreInterface& core, const Segment& segment, const Intent& in_flight,
                        Fault& fault);

}  // namespace glassheap::shared
