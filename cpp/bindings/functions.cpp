// functions.cpp: C++ functions as the functions, methods and properties of Python.

#include "functions.hpp"

#include <cstring>

#include "gil.hpp"

namespace glassheap::bindings {
namespace {

// A static method has no instance, and no class that help() would name in its place.
py::object descriptor(PyTypeObject* type, PyMethodDef& method) {
  if ((method.ml_flags & METH_STATIC) == 0) return owned(PyDescr_NewMethod(type, &method));
  const py::str module("glassheap");
  const py::object function = owned(PyCFunction_NewEx(&method, nullptr, module.ptr()));
  return owned(PyStaticMethod_New(function.ptr()));
}

py::handle as_handle(PyTypeObject* type) { return reinterpret_cast<PyObject*>(type); }

}  // namespace

py::object owned(PyObject* made) {
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(made);
}

void set_never_opened(PyObject* instance) noexcept {
  PyErr_Format(PyExc_TypeError, "this %s was never opened: its __init__ was not called.",
               short_name(Py_TYPE(instance)));
}

void set_current_exception() noexcept try { throw; } catch (py::error_already_set& error) {
  error.restore();
} catch (const py::builtin_exception& error) {
  error.set_error();
} catch (const std::bad_alloc&) {
  PyErr_NoMemory();
} catch (const std::exception& error) {
  PyErr_SetString(PyExc_RuntimeError, error.what());
} catch (...) {  // no exception of C++: Python has ended, and ends this thread
  sleep_for_ever();
}

const char* short_name(const PyTypeObject* type) noexcept {
  const char* const dot = std::strrchr(type->tp_name, '.');
  return dot == nullptr ? type->tp_name : dot + 1;
}

PyTypeObject* make_type(const char* name, unsigned flags, TypeSlots slots, py::handle bases) {
  slots.push_back({0, nullptr});
  PyType_Spec specification{name, sizeof(Instance<Heap>), 0,
                            static_cast<unsigned>(Py_TPFLAGS_DEFAULT) | flags, slots.data()};
  PyObject* const type =
      owned(PyType_FromSpecWithBases(&specification, bases.ptr())).release().ptr();
  auto* const made = reinterpret_cast<PyTypeObject*>(type);
  made->tp_weaklistoffset = offsetof(Instance<Heap>, weakrefs);
  return made;
}

void add_methods(PyTypeObject* type, std::span<PyMethodDef> methods) {
  for (PyMethodDef& method : methods)
    py::setattr(as_handle(type), method.ml_name, descriptor(type, method));
}

void add_properties(PyTypeObject* type, std::span<PyGetSetDef> properties) {
  for (PyGetSetDef& property : properties)
    py::setattr(as_handle(type), property.name, owned(PyDescr_NewGetSet(type, &property)));
}

// A public function is in the package; the others are in this module.
void add_functions(py::module_& module, std::span<PyMethodDef> functions) {
  for (PyMethodDef& function : functions) {
    const py::object home =
        function.ml_name[0] == '_' ? module.attr("__name__") : py::str("glassheap");
    const py::object made = owned(PyCFunction_NewEx(&function, module.ptr(), home.ptr()));
    module.add_object(function.ml_name, made);
  }
}

}  // namespace glassheap::bindings
