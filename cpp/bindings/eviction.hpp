// eviction.hpp: the cheapest blocks to free for a request, for cheapest() and for malloc().
#pragma once

#include "bindings.hpp"

namespace glassheap::bindings {

// The cheapest blocks by these costs: null or None, a function, or a buffer of doubles. Throws what
// Heap.cheapest raises, about `given_align` if that is the reason.
std::optional<Eviction> find_cheapest(Heap& heap, Size size, Size align, py::handle cost,
                                      py::handle given_align);

// The blocks as records.
py::list as_list(const std::vector<BlockInfo>& blocks);

}  // namespace glassheap::bindings
