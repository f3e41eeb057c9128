// refusals.cpp: one sentence for the arguments that a method does not take.
//
// pybind11 tells them with a repr of every argument, which for a large buffer is a large text. So each
// public method gets an overload that is tried last, takes any arguments, and raises TypeError.
//
// pybind11 tries an overload that takes anything before it converts an argument. So these methods
// take no C++ number or bool: they take a py::object, and convert it themselves.

#include "bindings.hpp"

namespace glassheap::bindings {
namespace {

// "play(kinds, start)", from a docstring that begins "play(self: Player, kinds: Buffer, start: int)".
std::string call_form(std::string_view doc) {
  std::string form;
  int depth = 0;  // of brackets inside the parentheses
  bool in_type = false;
  for (const char c : doc.substr(0, doc.find('\n'))) {
    depth += (c == '(' || c == '[' ? 1 : 0) - (c == ')' || c == ']' ? 1 : 0);
    if (depth == 0 && c == ')') return form + c;
    if (depth == 1 && c == ':') in_type = true;
    if (depth == 1 && (c == ',' || c == '=')) in_type = false;
    if (in_type || (c == ' ' && form.ends_with('='))) continue;
    form += c;
  }
  return form;
}

// Without the parameter self, which the caller does not write.
std::string without_self(std::string form) {
  for (const std::string_view self : {"(self, ", "($self, ", "(self"}) {
    const std::size_t at = form.find(self);
    if (at != std::string::npos) return form.erase(at + 1, self.size() - 1);
  }
  return form;
}

// Without the module.
std::string type_name(py::handle value) {
  const std::string name = Py_TYPE(value.ptr())->tp_name;
  return name.substr(name.rfind('.') + 1);  // all of it if there is no dot
}

std::string types_of(const py::args& positional, const py::kwargs& named) {
  std::string list;
  const auto add = [&](const std::string& one) { list += (list.empty() ? "" : ", ") + one; };
  for (const py::handle value : positional) add(type_name(value));
  for (const auto& [name, value] : named) add(std::string(py::str(name)) + "=" + type_name(value));
  return list;
}

[[noreturn]] void refuse(const std::string& name, const std::string& form,
                         const py::args& positional, const py::kwargs& named) {
  throw py::type_error(name + "() does not take (" + types_of(positional, named) +
                       "): the call is " + form + ".");
}

// pybind11 wraps the function of a method.
py::object function_of(const py::object& method) {
  if (PyInstanceMethod_Check(method.ptr()) == 0) return method;
  return py::reinterpret_borrow<py::object>(PyInstanceMethod_GET_FUNCTION(method.ptr()));
}

// A method of that name as pybind11 made it; null for any other attribute.
py::detail::function_record* record_of(py::handle function) {
  if (PyCFunction_Check(function.ptr()) == 0) return nullptr;
  PyObject* const self = PyCFunction_GET_SELF(function.ptr());
  return self == nullptr ? nullptr : py::detail::function_record_ptr_from_PyObject(self);
}

void require_instance(const std::string& name, py::handle type, py::handle self) {
  if (py::isinstance(self, type)) return;
  throw py::type_error(name + "() is a method of " + std::string(py::str(type.attr("__name__"))) +
                       ", and was called on " + type_name(self) + ".");
}

void add_last_overload(py::handle type, py::handle function, const std::string& name,
                       const std::string& form) {
  if (name == "__init__") {
    const std::string class_name = py::str(type.attr("__name__"));
    const std::string call = class_name + form.substr(name.size());
    const auto construct = [class_name, call](py::detail::value_and_holder&,
                                              const py::args& positional, const py::kwargs& named) {
      refuse(class_name, call, positional, named);
    };
    py::cpp_function(construct, py::name("__init__"), py::is_method(type), py::sibling(function),
                     py::detail::is_new_style_constructor());
  } else if (record_of(function)->is_method) {
    const auto call = [type, name, form](const py::object& self, const py::args& positional,
                                         const py::kwargs& named) {
      require_instance(name, type, self);
      refuse(name, form, positional, named);
    };
    py::cpp_function(call, py::name(name.c_str()), py::is_method(type), py::sibling(function));
  } else {
    const auto call = [name, form](const py::args& positional, const py::kwargs& named) {
      refuse(name, form, positional, named);
    };
    py::cpp_function(call, py::name(name.c_str()), py::scope(type), py::sibling(function));
  }
}

}  // namespace

void explain_wrong_arguments(py::handle scope) {
  py::options docstrings;
  docstrings.disable_function_signatures();
  for (const auto& item : py::dict(scope.attr("__dict__"))) {
    const auto name = item.first.cast<std::string>();
    if (name.starts_with("_") && name != "__init__") continue;
    const py::object function = function_of(scope.attr(item.first));
    if (record_of(function) == nullptr) continue;
    auto* const method = reinterpret_cast<PyCFunctionObject*>(function.ptr())->m_ml;
    const std::string doc(method->ml_doc == nullptr ? "" : method->ml_doc);
    add_last_overload(scope, function, name, without_self(call_form(doc)));
    std::free(const_cast<char*>(method->ml_doc));  // pybind11's, of both overloads
    method->ml_doc = strdup(doc.c_str());
  }
}

}  // namespace glassheap::bindings
