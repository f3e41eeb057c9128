// signature.cpp: the arguments of a call, sorted by the parameters of the function.

#include "signature.hpp"

#include "functions.hpp"
#include "option_table.hpp"

namespace glassheap::bindings {
namespace {

// One call, while its arguments are sorted. Throws TypeError for those that the function does not
// take.
class Sorting {
 public:
  Sorting(const Signature& signature, const char* called, PyObject** arguments, PyObject* options)
      : signature_(signature), called_(called), arguments_(arguments), options_(options) {}

  void sort(const Passed& passed) const {
    const auto positional = static_cast<std::size_t>(passed.positional);
    if (positional > signature_.positional)
      refuse(py::str("got too many arguments by position ({})").format(positional));
    std::copy(passed.values, passed.values + positional, arguments_);
    const Py_ssize_t named = passed.names == nullptr ? 0 : PyTuple_GET_SIZE(passed.names);
    for (Py_ssize_t i = 0; i < named; ++i)
      put(PyTuple_GET_ITEM(passed.names, i), passed.values[passed.positional + i]);
    require_all();
  }

 private:
  void put(PyObject* name, PyObject* value) const {
    for (std::size_t i = signature_.by_place_only; i < signature_.count; ++i) {
      const std::string parameter(signature_.parameters[i]);
      if (PyUnicode_CompareWithASCIIString(name, parameter.c_str()) != 0) continue;
      if (arguments_[i] != nullptr)
        refuse(py::str("got two values for {!r}").format(py::handle(name)));
      arguments_[i] = value;
      return;
    }
    if (options_ == nullptr) refuse(py::str("takes no argument {!r}").format(py::handle(name)));
    if (PyDict_SetItem(options_, name, value) != 0) throw py::error_already_set();
  }

  void require_all() const {
    for (std::size_t i = 0; i < signature_.required; ++i) {
      if (arguments_[i] == nullptr)
        refuse(py::str("needs an argument {!r}").format(std::string(signature_.parameters[i])));
    }
  }

  [[noreturn]] void refuse(const py::str& what) const {
    PyErr_Format(PyExc_TypeError, "%s() %U: the call is %s.", called_, what.ptr(),
                 signature_.call_form(called_).c_str());
    throw py::error_already_set();
  }

  const Signature& signature_;
  const char* called_;
  PyObject** arguments_;
  PyObject* options_;
};

// "a($self, b)" without "$self, ".
std::string without_self(std::string text) {
  for (const std::string_view self : {"$self, ", "$self"}) {
    const std::size_t at = text.find(self);
    if (at != std::string::npos) return text.erase(at, self.size());
  }
  return text;
}

}  // namespace

std::string Signature::written_out() const {
  const std::size_t at = text_.find("**");
  if (at == std::string_view::npos) return std::string(text_);
  const bool offset = text_.substr(at).starts_with("**offset_options");
  const OptionSet set = offset ? OptionSet::offset_heap : OptionSet::heap;
  return std::string(text_.substr(0, at)) + "*, " + options_signature(set) + ")";
}

std::string Signature::call_form(std::string_view called) const {
  const std::string text = written_out();
  return std::string(called) + without_self(text.substr(text.find('(')));
}

Unpacked::Unpacked(PyObject* positional, PyObject* named)
    : positional_(PyTuple_GET_SIZE(positional)) {
  for (const py::handle value : py::reinterpret_borrow<py::tuple>(positional))
    values_.push_back(value.ptr());
  if (named == nullptr) return;
  names_ = py::tuple(py::reinterpret_borrow<py::dict>(named).attr("keys")());
  for (const py::handle name : names_) values_.push_back(PyDict_GetItem(named, name.ptr()));
}

bool sort_arguments(const Signature& signature, const char* called, const Passed& passed,
                    PyObject** arguments, PyObject* options) noexcept try {
  Sorting(signature, called, arguments, options).sort(passed);
  return true;
} catch (...) {
  set_current_exception();
  return false;
}

}  // namespace glassheap::bindings
