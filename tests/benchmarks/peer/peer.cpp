// peer.cpp: a minimal extension type for glassheap's heap, for the benchmark alone.
//
// It serves to measure the cost of the bindings. It makes the same calls into the same library with
// the least that CPython needs: a static PyTypeObject with two METH_FASTCALL methods, which take
// one positional argument, convert it to 64 bits, call the heap, and convert the result to an int.
// There are no keywords, no alignment, and no exceptions but MemoryError and ValueError. The
// library is that of the wheel, found with find_package(glassheap), so both sides run the same
// compiled code.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <memory>

#include "glassheap/heap.hpp"

namespace {

using glassheap::Address;
using glassheap::Fault;

struct PeerHeap {
  PyObject head;
  glassheap::Heap* heap;
};

glassheap::Heap& heap_of(PyObject* self) { return *reinterpret_cast<PeerHeap*>(self)->heap; }

bool read_only_argument(PyObject* const* given, Py_ssize_t count, unsigned long long& value) {
  if (count != 1) {
    PyErr_Format(PyExc_TypeError, "expected one argument, not %zd.", count);
    return false;
  }
  value = PyLong_AsUnsignedLongLong(given[0]);
  return value != static_cast<unsigned long long>(-1) || PyErr_Occurred() == nullptr;
}

PyObject* peer_malloc(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  unsigned long long size = 0;
  if (!read_only_argument(given, count, size)) return nullptr;
  Fault fault;
  const Address address = heap_of(self).malloc(size, glassheap::granule_size, fault);
  if (address == 0) return PyErr_Format(PyExc_MemoryError, "no block of %llu bytes.", size);
  return PyLong_FromUnsignedLongLong(address);
}

PyObject* peer_free(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  unsigned long long address = 0;
  if (!read_only_argument(given, count, address)) return nullptr;
  Fault fault;
  if (!heap_of(self).free(address, fault))
    return PyErr_Format(PyExc_ValueError, "%llu is no live block of this heap.", address);
  Py_RETURN_NONE;
}

PyMethodDef method(const char* name, _PyCFunctionFast function, const char* doc) {
  void (*const any)() = reinterpret_cast<void (*)()>(function);
  return {name, reinterpret_cast<PyCFunction>(any), METH_FASTCALL, doc};
}

PyMethodDef methods[] = {
    method("malloc", peer_malloc, "Allocate a block of so many bytes; return its address."),
    method("free", peer_free, "Give back the block at an address."),
    {},
};

// --- The type and the module. ------------------------------------------------------------------

std::unique_ptr<glassheap::Heap> open(unsigned long long size) {
  glassheap::Options options;
  options.size = size;
  Fault fault;
  return glassheap::Heap::open(options, fault);
}

PyObject* peer_new(PyTypeObject* type, PyObject* arguments, PyObject* /*keywords*/) {
  unsigned long long size = 0;
  if (PyArg_ParseTuple(arguments, "K:Heap", &size) == 0) return nullptr;
  std::unique_ptr<glassheap::Heap> heap = open(size);
  if (heap == nullptr) return PyErr_Format(PyExc_ValueError, "no heap of %llu bytes.", size);
  PyObject* const self = type->tp_alloc(type, 0);
  if (self != nullptr) reinterpret_cast<PeerHeap*>(self)->heap = heap.release();
  return self;
}

void peer_dealloc(PyObject* self) {
  delete reinterpret_cast<PeerHeap*>(self)->heap;
  Py_TYPE(self)->tp_free(self);
}

PyTypeObject peer_type{};

bool prepare_type() {
  Py_SET_REFCNT(reinterpret_cast<PyObject*>(&peer_type), 1);
  peer_type.tp_name = "glassheap_peer.Heap";
  peer_type.tp_doc = "A heap over size bytes: malloc(size) and free(address).";
  peer_type.tp_basicsize = sizeof(PeerHeap);
  peer_type.tp_flags = Py_TPFLAGS_DEFAULT;
  peer_type.tp_methods = methods;
  peer_type.tp_new = peer_new;
  peer_type.tp_dealloc = peer_dealloc;
  return PyType_Ready(&peer_type) == 0;
}

bool fill(PyObject* module) {
#ifdef Py_GIL_DISABLED  // the heap has its own lock, here as in glassheap
  if (PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED) != 0) return false;
#endif
  return PyModule_AddStringConstant(module, "compiler", __VERSION__) == 0 &&
         PyModule_AddObjectRef(module, "Heap", reinterpret_cast<PyObject*>(&peer_type)) == 0;
}

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "glassheap_peer",
                          "The benchmark's peer.",
                          -1,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_glassheap_peer() {
  if (!prepare_type()) return nullptr;
  PyObject* const module = PyModule_Create(&definition);
  if (module != nullptr && fill(module)) return module;
  Py_XDECREF(module);
  return nullptr;
}
