// bindings.hpp: declarations that the files of the Python extension share.
//
//     module.cpp         the module: every type and function, at a glance
//     instances.hpp      Python objects with a C++ value, and their types
//     signature.hpp      the parameters of a function, and the arguments of a call
//     functions.hpp      C++ functions as functions, methods and properties of Python
//     registry.hpp       exception classes and record types, as Python registers them
//     raise.hpp          a Fault becomes an exception
//     gil.hpp            letting the GIL go, and taking it back
//     arguments.hpp      Python's integers in 64 bits, and other arguments
//     small_ints.hpp     ints of at most 60 bits, read where they are
//     option_table.hpp   the options of a heap, a row each
//     buffers.hpp        a caller's buffer as a region
//     heap_type.cpp      Heap: construction, properties, reset and close
//     heap_reports.cpp   Heap: lists of blocks, findings, statistics
//     owners.cpp         Heap: tags of blocks, and what an OutOfMemory says of them
//     batches.cpp        Heap: malloc_many and free_many
//     eviction.hpp       Heap: cheapest
//     hot_calls.hpp      the way of a frequent call: malloc, free, alloc
//     hot_methods.cpp    Heap: malloc, free and the other frequent calls
//     offset_type.cpp    OffsetHeap: what is different without bytes
//     tags.hpp           the tag of a call that allocates
//     shared_type.cpp    SharedHeap
//     shared_offset_type.cpp  SharedOffsetHeap
//     shared_images.cpp  copies of a shared heap's image
//     block_items.cpp    Block: its bytes by index and by slice
//     block_lookup.cpp   Heap: the Block in which the bytes of an array lie
//     block_type.cpp     Block
//     dlpack.cpp         a Block's bytes as a tensor of DLPack
//     views.cpp          memoryviews of a block and of the region
//     export.hpp         the buffer protocol, for Block and for views
//     patience.hpp       what malloc and alloc do about a shortage
//     trace_columns.hpp  a recorded trace
//     excess.hpp         sums of what a replay uses beyond what is live
//     player.cpp         Player: replays a trace
//     foreign_play.cpp   a trace, timed on another library's malloc
//     trace_reader.cpp   a recording as the columns of a trace
//     trace_writer.cpp   the columns of a trace as a recording
//     interpreter_recording.cpp  what the interpreter asks of its allocators
//     numpy.cpp          NumPy's memory handler over a heap
//
// pybind11 and nothing else: its objects, casts and errors. The types and functions themselves are
// CPython's (functions.hpp says why). Python calls C++, never the reverse: no file here imports a
// module of the package. Methods that are written in Python are in glassheap/methods.py.
#pragma once

#include <pybind11/pybind11.h>

#include "glassheap/shared_heap.hpp"

namespace glassheap::bindings {

namespace py = pybind11;

// Each adds its part to the module, or to the type Heap or SharedHeap.
void add_registry(py::module_& module);
void add_heap(py::module_& module);
void add_reports(PyTypeObject* type);
void add_owners(PyTypeObject* type);
void add_batches(PyTypeObject* type);
void add_block_lookup(PyTypeObject* type);
void add_eviction(PyTypeObject* type);
void add_hot_methods(PyTypeObject* type);
void add_offset_heap(py::module_& module);
void add_policies(py::module_& module);
void add_shared_heap(py::module_& module);
void add_shared_offset_heap(py::module_& module);
void add_shared_images(py::module_& module, PyTypeObject* type);
void add_block(py::module_& module);
void add_block_items(PyTypeObject* block);
void add_dlpack(PyTypeObject* block);
void add_views();
void add_player(py::module_& module);
void add_foreign_play(py::module_& module);
void add_trace_reader(py::module_& module);
void add_trace_writer(py::module_& module);
void add_numpy(py::module_& module);
void add_tags(py::module_& module);
void add_interpreter_recording(py::module_& module);

// Sets the TypeError for an instance whose __init__ was never called.
void set_never_opened(PyObject* instance) noexcept;

// The Python object of a shared heap: a SharedHeap, or a SharedOffsetHeap if it has no bytes.
py::object make_shared_heap(std::unique_ptr<SharedHeap> heap);

// A collected Block frees its memory (owner), drops one of several references to it (shared_ref), or
// does nothing (borrowed).
enum class Ownership : std::uint8_t { owner, shared_ref, borrowed };

// New references; null with an exception set. The heap is a Heap that was opened.
PyObject* make_block(py::object heap, const Handle& handle,
                     Ownership ownership = Ownership::owner) noexcept;
PyObject* make_view(py::object heap, Address payload, py::object given);
PyObject* make_region_view(py::object heap);

// A Block passed in the place of its address. free_block frees it as its own free() does; both raise
// ForeignPointer for a Block of another heap.
bool is_block(PyObject* object);
Address address_of_block(PyObject* block) noexcept;
PyObject* free_block(PyObject* heap, PyObject* block);
PyObject* view_block(PyObject* heap, PyObject* block);

// The heap whose bytes the object exports: a Block, or the exporter of a view. Null for any other.
const Heap* heap_of_block(PyObject* object);
py::object owner_of_block(PyObject* block);  // the Python Heap; of a Block alone
const Heap* heap_of_view(PyObject* object);

}  // namespace glassheap::bindings
