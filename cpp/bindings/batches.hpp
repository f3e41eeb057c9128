// batches.hpp: many blocks in one call.
#pragma once

#include "bindings.hpp"

namespace glassheap::bindings {

py::object malloc_many(OpenHeap heap, const py::object& sizes);
void free_many(OpenHeap heap, const py::object& addresses);

}  // namespace glassheap::bindings
