// peer.cpp: a minimal extension type for glassheap's heap, for the benchmark alone.
//
// It serves to measure the cost of the bindings. It makes the same calls into the same library with
// the least that CPython needs: two METH_FASTCALL methods, which take one positional argument,
// convert it to 64 bits, call the heap, and convert the result to an int. There are no keywords, no
// alignment, and no exceptions but MemoryError and ValueError.

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

// The only argument; -1 with an error set if there is another number of them, or it is no uint64.
unsigned long long only_argument(PyObject* const* given, Py_ssize_t count) {
  if (count == 1) return PyLong_AsUnsignedLongLong(given[0]);
  PyErr_Format(PyExc_TypeError, "expected one argument, not %zd.", count);
  return static_cast<unsigned long long>(-1);
}

bool is_error(unsigned long long value) {
  return value == static_cast<unsigned long long>(-1) && PyErr_Occurred() != nullptr;
}

PyObject* peer_malloc(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  const unsigned long long size = only_argument(given, count);
  if (is_error(size)) return nullptr;
  glassheap::UnsetFault unset;
  const Address address = heap_of(self).malloc(size, glassheap::granule_size, unset.fault);
  if (address == 0) return PyErr_Format(PyExc_MemoryError, "no block of %llu bytes.", size);
  return PyLong_FromUnsignedLongLong(address);
}

PyObject* peer_free(PyObject* self, PyObject* const* given, Py_ssize_t count) {
  const unsigned long long address = only_argument(given, count);
  if (is_error(address)) return nullptr;
  glassheap::UnsetFault unset;
  if (heap_of(self).free(address, unset.fault)) Py_RETURN_NONE;
  return PyErr_Format(PyExc_ValueError, "%llu is no live block of this heap.", address);
}

PyObject* peer_new(PyTypeObject* type, PyObject* arguments, PyObject* /*keywords*/) {
  unsigned long long size = 0;
  if (PyArg_ParseTuple(arguments, "K:Heap", &size) == 0) return nullptr;
  glassheap::Options options;
  options.size = size;
  Fault fault;
  std::unique_ptr<glassheap::Heap> heap = glassheap::Heap::open(options, fault);
  if (heap == nullptr) return PyErr_Format(PyExc_ValueError, "no heap of %llu bytes.", size);
  PyObject* const self = type->tp_alloc(type, 0);
  if (self != nullptr) reinterpret_cast<PeerHeap*>(self)->heap = heap.release();
  return self;
}

void peer_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  delete reinterpret_cast<PeerHeap*>(self)->heap;
  type->tp_free(self);
  Py_DECREF(type);
}

// --- The type and the module. ------------------------------------------------------------------

template <typename T>
void* any(T* function) {
  return reinterpret_cast<void*>(function);
}

PyMethodDef method(const char* name, _PyCFunctionFast function) {
  return {name, reinterpret_cast<PyCFunction>(any(function)), METH_FASTCALL, nullptr};
}

PyMethodDef methods[] = {method("malloc", peer_malloc), method("free", peer_free), {}};
PyType_Slot slots[] = {
    {Py_tp_methods, methods}, {Py_tp_new, any(peer_new)}, {Py_tp_dealloc, any(peer_dealloc)}, {}};
PyType_Spec spec = {"glassheap_peer.Heap", sizeof(PeerHeap), 0, Py_TPFLAGS_DEFAULT, slots};

int fill(PyObject* module) {
  return PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec)));
}

PyModuleDef_Slot steps[] = {{Py_mod_exec, any(fill)},
#ifdef Py_GIL_DISABLED  // the heap has its own lock, here as in glassheap
                            {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
                            {}};
PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "glassheap_peer", nullptr, 0, nullptr, steps, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_glassheap_peer() { return PyModuleDef_Init(&definition); }
