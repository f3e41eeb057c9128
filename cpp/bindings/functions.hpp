// functions.hpp: C++ functions as the functions, methods and properties of Python.
//
// Each becomes a PyMethodDef or a PyGetSetDef, as in a type that is written by hand: inspect and
// help() read these, and a call costs no more than one of CPython's own. pybind11's def() gives
// neither: its functions are objects of a class with a name of 80 letters, its message about wrong
// arguments has a repr of each, and a call costs 73 to 89 ns instead of 8.
//
// A C++ function takes the instance, as Heap& for example or as a py::handle, and then one
// py::handle for each parameter: an argument that was not passed is a null handle. Only a function
// whose signature ends in **options takes also the dict of these. It returns anything that pybind11
// converts, a unique_ptr of the value of a new instance, or nothing; and it may throw.
#pragma once

#include <span>
#include <type_traits>
#include <utility>

#include "instances.hpp"
#include "signature.hpp"

namespace glassheap::bindings {

// A new reference that a function of CPython's has returned. Throws its exception if it is null.
py::object owned(PyObject* made);

// In a catch block: sets the Python exception for the C++ one.
void set_current_exception() noexcept;

// --- From C++ to Python. -------------------------------------------------------------------------

template <typename Result>
PyObject* to_python(Result result) {
  if constexpr (std::is_same_v<Result, py::handle>)
    return result.inc_ref().ptr();
  else if constexpr (std::is_base_of_v<py::object, Result>)
    return result.release().ptr();
  else
    return py::cast(std::move(result)).release().ptr();
}
template <typename Value>
PyObject* to_python(std::unique_ptr<Value> value) {
  return make_instance(std::move(value));
}

// The result itself; null if there is an exception: a wait was interrupted inside of a call on the
// heap that reports no fault.
inline PyObject* unless_interrupted(PyObject* result) noexcept {
  if (PyErr_Occurred() == nullptr) [[likely]]
    return result;
  Py_XDECREF(result);
  return nullptr;
}

// The result of the call as a new reference; null, with an exception set, if it throws.
template <typename Call>
PyObject* guarded(Call call) noexcept try {
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    return unless_interrupted(Py_NewRef(Py_None));
  } else {
    return unless_interrupted(to_python(call()));
  }
} catch (...) {
  set_current_exception();
  return nullptr;
}

// --- The call. -----------------------------------------------------------------------------------

// The arguments of one call. Throws TypeError for those that the function does not take.
template <const auto& doc>
class Call {
 public:
  Call(const char* called, const Passed& passed) {
    PyObject* const options = signature_of<doc>.options ? options_.ptr() : nullptr;
    if (!sort_arguments(signature_of<doc>, called, passed, values_.data(), options))
      throw py::error_already_set();
  }

  // The result of function(self, argument..., options), where a function has these.
  template <typename Function, typename... Self>
  auto apply(Function function, Self&... self) const {
    return spread(function, std::make_index_sequence<signature_of<doc>.count>(), self...);
  }

 private:
  template <typename Function, std::size_t... i, typename... Self>
  auto spread(Function function, std::index_sequence<i...> /*places*/, Self&... self) const {
    if constexpr (signature_of<doc>.options)
      return function(self..., py::handle(values_[i])..., options_);
    else
      return function(self..., py::handle(values_[i])...);
  }

  Arguments<doc> values_{};
  std::conditional_t<signature_of<doc>.options, py::dict, py::handle> options_;
};

// The type of the first parameter; for decltype.
template <typename Result, typename First, typename... Rest>
First first_parameter(Result (*)(First, Rest...));

template <typename Self>
decltype(auto) self_as(PyObject* self) {
  if constexpr (std::is_same_v<Self, py::handle>)
    return py::handle(self);
  else
    return require_value<std::remove_cvref_t<Self>>(self);
}

using Values = PyObject* const*;

template <const auto& doc, auto function>
PyObject* call_method(PyObject* self, Values values, Py_ssize_t positional, PyObject* names) {
  return guarded([&] {
    decltype(auto) instance = self_as<decltype(first_parameter(function))>(self);
    const Call<doc> call(signature_of<doc>.name.data(), {values, positional, names});
    return call.apply(function, instance);
  });
}

template <const auto& doc, auto function>
PyObject* call_function(PyObject* /*scope*/, Values values, Py_ssize_t positional,
                        PyObject* names) {
  return guarded([&] {
    const Call<doc> call(signature_of<doc>.name.data(), {values, positional, names});
    return call.apply(function);
  });
}

// For tp_init: the arguments as a tuple, and a dict or null. The value that a first call has made
// stays.
template <typename Value, const auto& doc, auto function>
int call_constructor(PyObject* self, PyObject* positional, PyObject* named) noexcept try {
  const Unpacked unpacked(positional, named);
  const Call<doc> call(signature_of<doc>.name.data(), unpacked.passed());
  set_value<Value>(self, call.apply(function));
  return 0;
} catch (...) {
  set_current_exception();
  return -1;
}

template <auto function>
PyObject* get_property(PyObject* self, void* /*closure*/) {
  return guarded([&] { return function(self_as<decltype(first_parameter(function))>(self)); });
}

// --- Rows of tables. -----------------------------------------------------------------------------

template <const auto& doc, typename Function>
PyMethodDef definition(Function function, int flags = 0) {
  void (*const any)() = reinterpret_cast<void (*)()>(function);
  return {signature_of<doc>.name.data(), reinterpret_cast<PyCFunction>(any),
          METH_FASTCALL | METH_KEYWORDS | flags, documented<doc>()};
}

template <const auto& doc, auto function>
PyMethodDef method() {
  return definition<doc>(call_method<doc, function>);
}
template <const auto& doc, auto function>
PyMethodDef static_method() {
  return definition<doc>(call_function<doc, function>, METH_STATIC);
}
template <const auto& doc, auto function>
PyMethodDef module_function() {
  return definition<doc>(call_function<doc, function>);
}
template <auto function>
PyGetSetDef property(const char* name, const char* doc) {
  return {name, get_property<function>, nullptr, doc, nullptr};
}

// "Heap" for "glassheap.Heap".
const char* short_name(const PyTypeObject* type) noexcept;

// The type of the values that `function` makes, with a docstring that begins as a function's:
// inspect.signature reads the signature of a type there, and of no __init__.
template <typename Value, const auto& doc, auto function>
PyTypeObject* make_constructible(const char* name, unsigned flags) {
  void* const init = reinterpret_cast<void*>(call_constructor<Value, doc, function>);
  return make_type<Value>(name, documented<doc>(), flags, {{Py_tp_init, init}});
}

// Put them on the type or into the module, which keeps pointers to the rows. Throw if Python
// refuses.
void add_methods(PyTypeObject* type, std::span<PyMethodDef> methods);
void add_properties(PyTypeObject* type, std::span<PyGetSetDef> properties);
void add_functions(py::module_& module, std::span<PyMethodDef> functions);

}  // namespace glassheap::bindings
