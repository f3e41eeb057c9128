// module.cpp: the module glassheap._core, at a glance.

#include "bindings.hpp"
#include "gil.hpp"
#include "glassheap/version.h"

// The heap has its own lock, so the module does not need the GIL.
PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  using namespace glassheap::bindings;  // NOLINT: all of them are needed here, and only here
  module.doc() = "The compiled part of glassheap.";
  module.attr("__version__") = GLASSHEAP_VERSION;
  install_nap_hook();
  wait_at_the_end(module);
  add_registry(module);
  add_heap(module);
  add_offset_heap(module);
  add_policies(module);
  add_shared_heap(module);
  add_shared_offset_heap(module);
  add_block(module);
  add_views();
  add_player(module);
  add_foreign_play(module);
  add_trace_reader(module);
  add_trace_writer(module);
  add_numpy(module);
  add_tags(module);
  add_interpreter_recording(module);
}
