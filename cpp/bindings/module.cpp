// module.cpp: glassheap._core, in one look.

#include "bindings.hpp"
#include "glassheap/version.h"
#include "raise.hpp"

// The heap has its own lock, so the interpreter need not lend its global one.
PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  using namespace glassheap::bindings;  // NOLINT: this is the one place that needs them all
  module.doc() = "The compiled part of glassheap.";
  module.attr("__version__") = GLASSHEAP_VERSION;
  add_heap(module);
  add_shared_heap(module);
  add_block(module);
  add_views(module);
  add_player(module);
  add_numpy(module, module.attr("Heap"));
  module.def("_fragmentation_index", &index_of_fragmentation,
             "Return the fragmentation_index of an OutOfMemory, from its attributes.");
}
