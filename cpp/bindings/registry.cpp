// registry.cpp: exception classes and record types, as Python registers them.

#include "registry.hpp"

#include "functions.hpp"

namespace glassheap::bindings {
namespace {

struct Registry {
  py::dict errors;         // class by name
  py::object find_record;  // a function: the type of that name
};

// Never destroyed: a Block may be collected, and raise, while the interpreter shuts down.
Registry& registry() {
  static auto* const instance = new Registry;
  return *instance;
}

constexpr const char register_doc[] = R"(_register(errors, find_record)
--

Register the exception classes by name, and a function that finds a record type.

The package calls it once, when it is imported.)";

void register_types(py::handle errors, py::handle find_record) {
  if (!py::isinstance<py::dict>(errors)) throw py::type_error("errors must be a dict.");
  registry() = {py::reinterpret_borrow<py::dict>(errors),
                py::reinterpret_borrow<py::object>(find_record)};
}

std::array registry_functions = {module_function<register_doc, register_types>()};

}  // namespace

py::object error_class(const char* name) {
  const py::str key(name);
  PyObject* const registered = PyDict_GetItemWithError(registry().errors.ptr(), key.ptr());
  if (registered != nullptr) return py::reinterpret_borrow<py::object>(registered);
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  return py::module_::import("builtins").attr(key);
}

py::object record_type(const char* name) { return registry().find_record(name); }

// tuple.__new__(type, fields) skips the named tuple's own __new__, which is written in Python.
py::object RecordMaker::operator()(const py::tuple& fields) const {
  const py::tuple arguments = py::make_tuple(fields);
  auto* const type = reinterpret_cast<PyTypeObject*>(type_.ptr());
  auto made =
      py::reinterpret_steal<py::object>(PyTuple_Type.tp_new(type, arguments.ptr(), nullptr));
  if (!made) throw py::error_already_set();
  return made;
}

py::object as_record(const RecordMaker& record, const BlockInfo& info) {
  return record(
      py::make_tuple(info.start, info.address, info.size, info.extent, info.live, info.serial));
}

void add_registry(py::module_& module) { add_functions(module, registry_functions); }

}  // namespace glassheap::bindings
