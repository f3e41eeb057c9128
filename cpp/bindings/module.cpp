// module.cpp: the module glassheap._core, at a glance.

#include "bindings.hpp"
#include "glassheap/version.h"

// The heap has its own lock, so the module does not need the GIL.
PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  using namespace glassheap::bindings;  // NOLINT: all of them are needed here, and only here
  module.doc() = "The compiled part of glassheap.";
  module.attr("__version__") = GLASSHEAP_VERSION;
  add_registry(module);
  HeapClass heap = add_heap(module);
  add_reports(heap);
  add_batches(heap);
  add_hot_methods(heap);
  add_policies(module);
  SharedHeapClass shared_heap = add_shared_heap(module);
  add_shared_images(module, shared_heap);
  add_block(module);
  add_views(module);
  add_player(module);
  add_numpy(module);
  for (const char* const name : {"Heap", "SharedHeap", "Block", "Player"})
    explain_wrong_arguments(module.attr(name));
  explain_wrong_arguments(module);
}
