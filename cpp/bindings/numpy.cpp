// numpy.cpp: a heap as the place where NumPy keeps the elements of its arrays.
//
// Heap.array and Heap.copy are written in Python, on the public API; what is here imports them when
// they are called. What cannot be Python is the other way, in which NumPy itself takes its memory
// from a heap.
//
// NumPy takes memory from a handler (NEP 49): a capsule with four functions and whatever they
// are to be given. Each array keeps the capsule of the handler that it was made with, and hands its
// memory back to that one; so the capsule keeps the heap, and a heap cannot go before its arrays.
//
// NumPy may call from any thread, with the GIL or without it. So nothing here touches Python: the
// four functions are calls of the C++ heap, which has its own lock. A block that an array stands in
// is pinned, as if a view of it lived: by its address nobody can free it, and its heap is neither
// reset nor closed.
//
// NumPy's headers are not needed to build this. The struct below is documented, and has a version;
// the function that sets a handler has its place in a table that only grows.

#include <algorithm>
#include <array>
#include <cstring>

#include "raise.hpp"

namespace glassheap::bindings {
namespace {

// PyDataMem_Handler, version 1.
struct Handler {
  char name[127] = "glassheap";
  std::uint8_t version = 1;
  Heap* heap;
  void* (*malloc)(void* heap, std::size_t size);
  void* (*calloc)(void* heap, std::size_t count, std::size_t size);
  void* (*realloc)(void* heap, void* data, std::size_t size);
  void (*free)(void* heap, void* data, std::size_t size);
};

constexpr const char* capsule_name = "mem_handler";  // NumPy looks for it by this name
constexpr std::size_t place_of_set_handler = 304;    // in the table of NumPy's C API, since 1.22

Heap& heap_in(void* context) { return *static_cast<Heap*>(context); }

// A cache line, which is also what the widest vector instructions load at once.
Size align_in(const Heap& heap) { return std::min(Size{64}, heap.align_limit()); }

Address address_of(const Heap& heap, const void* data) {
  return reinterpret_cast<Address>(data) - heap.address() + heap.base();
}

void* place_of(const Heap& heap, Address payload) {
  if (payload == 0) return nullptr;
  return reinterpret_cast<void*>(payload - heap.base() + heap.address());
}

// Null is all that NumPy can be told; it raises MemoryError.
void* take(void* context, std::size_t size) noexcept {
  Heap& heap = heap_in(context);
  Fault refused;
  Handle handle;
  Heap::Pinned pinned;
  if (!heap.acquire(size, align_in(heap), handle, refused)) return nullptr;
  try {
    if (heap.pin(handle, pinned, refused)) return pinned.data;
  } catch (const std::bad_alloc&) {  // no memory to remember the pin
    heap.release(handle, refused);
  }
  return nullptr;
}

void* take_zeros(void* context, std::size_t count, std::size_t size) noexcept {
  std::size_t total = 0;
  if (__builtin_mul_overflow(count, size, &total)) return nullptr;
  void* const data = take(context, total);
  return data == nullptr ? nullptr : std::memset(data, 0, total);
}

void* take_other(void* context, void* data, std::size_t size) noexcept {
  if (data == nullptr) return take(context, size);
  Heap& heap = heap_in(context);
  Fault refused;
  return place_of(heap, heap.realloc_pinned(address_of(heap, data), size, align_in(heap), refused));
}

// Nobody is there to be told of damage that is found now: the heap remembers, and its next call
// tells.
void give_back(void* context, void* data, std::size_t /*size*/) noexcept {
  Heap& heap = heap_in(context);
  Fault refused;
  if (data != nullptr) heap.free_pinned(address_of(heap, data), refused);
}

void drop(PyObject* capsule) {
  delete static_cast<Handler*>(PyCapsule_GetPointer(capsule, capsule_name));
  Py_XDECREF(static_cast<PyObject*>(PyCapsule_GetContext(capsule)));
}

// Null, with an exception set, if that is not possible; otherwise a new capsule.
PyObject* make_handler(PyObject* /*module*/, PyObject* object) {
  if (!py::isinstance<Heap>(object))
    return PyErr_Format(PyExc_TypeError, "NumPy's memory can come from a Heap, not from %R.",
                        object);
  Heap* const heap = heap_of(object);
  if (heap == nullptr) return nullptr;
  if (heap->closed()) return set_error(Fault{.kind = FaultKind::heap_closed});
  auto* const handler = new Handler{
      .heap = heap, .malloc = take, .calloc = take_zeros, .realloc = take_other, .free = give_back};
  PyObject* const capsule = PyCapsule_New(handler, capsule_name, drop);
  if (capsule == nullptr) {
    delete handler;
  } else {
    PyCapsule_SetContext(capsule, Py_NewRef(object));
  }
  return capsule;
}

// From NumPy's _ARRAY_API and a handler: sets it, and returns the one that was set before.
PyObject* set_handler(PyObject* /*module*/, PyObject* arguments) {
  PyObject* api = nullptr;
  PyObject* handler = nullptr;
  if (PyArg_ParseTuple(arguments, "OO", &api, &handler) == 0) return nullptr;
  auto* const table = static_cast<void**>(PyCapsule_GetPointer(api, nullptr));
  if (table == nullptr) return nullptr;
  const auto set = reinterpret_cast<PyObject* (*)(PyObject*)>(table[place_of_set_handler]);
  return set(handler);
}

// --- Arrays, one by one. -----------------------------------------------------------------------

// glassheap.numpy, imported at the first call. PyImport_ImportModule alone would take longer every
// time than the block does.
py::object module_in_python() {
  const auto name = py::reinterpret_steal<py::object>(PyUnicode_FromString("glassheap.numpy"));
  if (!name) return {};
  auto module = py::reinterpret_steal<py::object>(PyImport_GetModule(name.ptr()));
  if (!module && PyErr_Occurred() == nullptr)
    module = py::reinterpret_steal<py::object>(PyImport_Import(name.ptr()));
  return module;
}

// glassheap.numpy.NAME(self, ...), whatever the caller gave.
PyObject* forward(const char* name, PyObject* self, PyObject* arguments, PyObject* keywords) {
  const py::object module = module_in_python();
  if (!module) return nullptr;
  const auto function =
      py::reinterpret_steal<py::object>(PyObject_GetAttrString(module.ptr(), name));
  const auto first = py::reinterpret_steal<py::object>(PyTuple_Pack(1, self));
  if (!function || !first) return nullptr;
  const auto all = py::reinterpret_steal<py::object>(PySequence_Concat(first.ptr(), arguments));
  return all ? PyObject_Call(function.ptr(), all.ptr(), keywords) : nullptr;
}

PyObject* heap_array(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return forward("array", self, arguments, keywords);
}

PyObject* heap_copy(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return forward("copy", self, arguments, keywords);
}

constexpr const char* array_doc =
    R"(array(self, shape, dtype=float, *, align=64, order='C') -> numpy.ndarray

Return a new ndarray whose elements are a block of the heap, as numpy.empty would.

It starts at a multiple of align bytes, and holds whatever the block held. While it lives, or any
view of it, the block is pinned as by Heap.view; with the last of them it is freed.

Raises what malloc raises, ValueError for what is no shape or order, TypeError for a dtype that
holds Python objects, ImportError without the extra: pip install 'glassheap[numpy]'.)";

constexpr const char* copy_doc = R"(copy(self, array, *, align=64) -> numpy.ndarray

Return a copy of an array, or of what makes one, whose elements are a block of the heap.

Shape, dtype and layout are those of numpy.copy(array); align is in bytes. Raises what array raises.)";

PyMethodDef method(const char* name, PyCFunctionWithKeywords function, const char* doc) {
  void (*const any)() = reinterpret_cast<void (*)()>(function);
  return {name, reinterpret_cast<PyCFunction>(any), METH_VARARGS | METH_KEYWORDS, doc};
}

}  // namespace

// Plain CPython functions: pybind11's would take as much room as all the rest of this file.
void add_numpy(py::module_& module, py::handle heap_type) {
  static std::array methods = {method("array", heap_array, array_doc),
                               method("copy", heap_copy, copy_doc)};
  static std::array functions = {
      PyMethodDef{"_numpy_handler", make_handler, METH_O, "A NumPy memory handler over a heap."},
      PyMethodDef{"_set_numpy_handler", set_handler, METH_VARARGS,
                  "Set NumPy's memory handler, and return the one that was set before."},
      PyMethodDef{}};
  add_methods(heap_type, methods);
  if (PyModule_AddFunctions(module.ptr(), functions.data()) != 0) throw py::error_already_set();
}

}  // namespace glassheap::bindings
