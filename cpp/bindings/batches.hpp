// batches.hpp: many blocks in one call.
#pragma once

#include "bindings.hpp"

namespace glassheap::bindings {

py::object malloc_many(Heap& heap, const py::object& sizes);
void free_many(Heap& heap, const py::object& addresses);

}  // namespace glassheap::bindings
