// batches.hpp: many blocks in one call.
#pragma once

#include "bindings.hpp"

namespace glassheap::bindings {

void prepare_batches();  // imports what they need
py::object malloc_many(OpenHeap heap, const py::object& sizes);
void free_many(OpenHeap heap, const py::object& addresses);

}  // namespace glassheap::bindings
