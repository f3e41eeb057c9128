// instances.hpp: Python objects with a C++ value, and their types.
//
//     head       what every Python object begins with
//     weakrefs   its weak references
//     value      owned; null until __init__ has made it
//
// The types are CPython's own, made from a specification. Those of pybind11's class_ have a base and
// a metaclass that every help() shows.
//
// A value that refers to Python objects has traverse(visit, arg), which visits each of them: its
// instances are collected where they are garbage in a cycle. None is cleared for that: a block keeps
// its heap, and every cycle has a dict, a list or another object that the collector can clear.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "bindings.hpp"

namespace glassheap::bindings {

template <typename Value>
struct Instance {
  PyObject head;
  PyObject* weakrefs;
  std::atomic<Value*> value;  // two threads may call __init__, or one while another uses it
};

// A SharedHeap inherits the methods of Heap, which find a Heap in it.
template <typename Value>
struct StoredAs {
  using type = Value;
};
template <>
struct StoredAs<SharedHeap> {
  using type = Heap;
};
// So do these two, which stand for types of Python alone: their values are a Heap and a SharedHeap.
struct OffsetHeapType;
struct SharedOffsetHeapType;
template <>
struct StoredAs<OffsetHeapType> {
  using type = Heap;
};
template <>
struct StoredAs<SharedOffsetHeapType> {
  using type = Heap;
};
template <typename Value>
using Stored = typename StoredAs<Value>::type;

// The Python type of these instances. make_type sets it, and it lives as long as the process.
template <typename Value>
inline PyTypeObject* python_type = nullptr;

template <typename Value>
bool is_instance(PyObject* object) {
  return PyObject_TypeCheck(object, python_type<Value>) != 0;
}

// For an object that is an instance. Null if its __init__ was never called.
template <typename Value>
Stored<Value>* value_in(PyObject* instance) {
  const auto& value = reinterpret_cast<Instance<Stored<Value>>*>(instance)->value;
  return value.load(std::memory_order_acquire);
}

// Gives the instance its value. If it has one already, that one stays.
template <typename Value>
void set_value(PyObject* instance, std::unique_ptr<Value> value) {
  Stored<Value>* none = nullptr;
  auto& place = reinterpret_cast<Instance<Stored<Value>>*>(instance)->value;
  if (place.compare_exchange_strong(none, value.get())) value.release();
}

// Throws TypeError if the __init__ of the instance was never called.
template <typename Value>
Value& require_value(PyObject* instance) {
  Stored<Value>* const value = value_in<Value>(instance);
  if (value == nullptr) {
    set_never_opened(instance);
    throw py::error_already_set();
  }
  return static_cast<Value&>(*value);
}

// --- Garbage in cycles. --------------------------------------------------------------------------

template <typename Value>
concept RefersToObjects =
    requires(const Value& value, visitproc visit, void* arg) { value.traverse(visit, arg); };

template <RefersToObjects Value>
int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  const Value* const value = value_in<Value>(self);
  return value == nullptr ? 0 : value->traverse(visit, arg);
}

// Returns true if an object that the value refers to may refer back. A Heap itself does not: only an
// instance of a subclass has a dict.
template <RefersToObjects Value>
bool may_be_in_cycle(const Value& value) {
  const auto is_collected = [](PyObject* object, void*) { return PyObject_IS_GC(object); };
  return value.traverse(is_collected, nullptr) != 0;
}

// --- Making and deleting. ------------------------------------------------------------------------

// An instance without a value, or null. One that refers to objects is not tracked by the collector
// yet: tp_alloc would track it, and most are never tracked.
template <typename Value>
PyObject* allocate_instance() {
  PyTypeObject* const type = python_type<Value>;
  if constexpr (!RefersToObjects<Value>) return type->tp_alloc(type, 0);
  auto* const instance = PyObject_GC_New(Instance<Stored<Value>>, type);
  if (instance == nullptr) return nullptr;
  instance->weakrefs = nullptr;
  std::construct_at(&instance->value, nullptr);
  return reinterpret_cast<PyObject*>(instance);
}

// A new reference. Throws if there is no memory.
template <typename Value>
PyObject* make_instance(std::unique_ptr<Value> value) {
  PyObject* const self = allocate_instance<Value>();
  if (self == nullptr) throw py::error_already_set();
  set_value(self, std::move(value));
  if constexpr (RefersToObjects<Value>) {
    if (may_be_in_cycle(*value_in<Value>(self))) PyObject_GC_Track(self);
  }
  return self;
}

// The destructor of the value may run while an exception is on its way, and must not lose it.
template <typename Value>
void deallocate(PyObject* self) {
  if constexpr (RefersToObjects<Value>) PyObject_GC_UnTrack(self);
  auto* const instance = reinterpret_cast<Instance<Value>*>(self);
  if (instance->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
  {
    std::optional<py::error_scope> keep;
    if (PyErr_Occurred() != nullptr) keep.emplace();
    delete instance->value.load(std::memory_order_relaxed);
  }
  PyTypeObject* const type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

// The name is with its module. Instances of a type without Py_TPFLAGS_BASETYPE are all of this very
// type. `bases` is a type, or a tuple of types. Throws if Python refuses.
using TypeSlots = std::vector<PyType_Slot>;
PyTypeObject* make_type(const char* name, unsigned flags, TypeSlots slots, py::handle bases = {});

template <typename Value>
py::handle type_object() {
  return reinterpret_cast<PyObject*>(python_type<Value>);
}

template <typename Value>
PyTypeObject* make_type(const char* name, const char* doc, unsigned flags, TypeSlots slots = {},
                        py::handle bases = {}) {
  slots.push_back({Py_tp_doc, const_cast<char*>(doc)});
  slots.push_back({Py_tp_dealloc, reinterpret_cast<void*>(deallocate<Stored<Value>>)});
  if constexpr (RefersToObjects<Value>) {
    flags |= static_cast<unsigned>(Py_TPFLAGS_HAVE_GC);
    slots.push_back({Py_tp_traverse, reinterpret_cast<void*>(traverse<Value>)});
  }
  return python_type<Value> = make_type(name, flags, std::move(slots), bases);
}

}  // namespace glassheap::bindings
