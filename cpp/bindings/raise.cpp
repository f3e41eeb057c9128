#include "raise.hpp"

namespace glassheap::bindings {
namespace {

// What a handler can read off the exception, beside its sentence.
void add_details(const py::object& error, const Fault& fault, PyObject* given) {
  const py::object whole =
      given == nullptr ? py::none() : py::reinterpret_borrow<py::object>(given);
  if (fault.kind == FaultKind::out_of_memory) {
    error.attr("requested") =
        given == nullptr ? py::object(py::int_(fault.shortage.requested)) : whole;
    error.attr("available") = fault.shortage.available;
    error.attr("largest") = fault.shortage.largest;
    error.attr("free_blocks") = fault.shortage.free_blocks;
  } else if (fault.kind == FaultKind::no_pages) {
    error.attr("requested") = fault.found;
  } else if (fault.kind >= FaultKind::foreign_pointer && fault.kind <= FaultKind::stale_handle) {
    error.attr("address") = given == nullptr ? py::object(py::int_(fault.address)) : whole;
  } else if (is_corruption(fault.kind)) {
    error.attr("offset") = fault.offset;
    error.attr("field") = name_of(fault.rule);
    error.attr("expected") = fault.expected;
    error.attr("found") = fault.found;
  }
}

// The enumerator of that name, of those up to `last`.
template <typename Enum>
Enum named(const std::string& name, Enum last) {
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    if (name == name_of(static_cast<Enum>(i))) return static_cast<Enum>(i);
  }
  throw py::value_error("check() reports no '" + name + "'.");
}

}  // namespace

py::object error_class(const char* name) {
  const py::module_ errors = py::module_::import("glassheap.errors");
  if (py::hasattr(errors, name)) return errors.attr(name);
  return py::module_::import("builtins").attr(name);
}

PyObject* set_error(const char* name, py::handle sentence) {
  const py::object type = error_class(name);
  PyErr_SetObject(type.ptr(), sentence.ptr());
  return nullptr;
}

PyObject* set_error(const Fault& fault, PyObject* given) try {
  const py::object type = error_class(name_of(fault.kind));
  const py::object error = type(sentence(fault));
  add_details(error, fault, given);
  PyErr_SetObject(type.ptr(), error.ptr());
  return nullptr;
} catch (py::error_already_set& instead) {  // no memory for the exception, say
  instead.restore();
  return nullptr;
}

std::string describe(const std::string& fault, const std::string& rule, Offset offset,
                     std::uint64_t expected, std::uint64_t found) {
  Fault described{.offset = offset, .expected = expected, .found = found};
  described.kind = named<FaultKind>(fault, FaultKind::heap_closed);
  described.rule = named<Rule>(rule, Rule::counters);
  return sentence(described);
}

void raise_if(const Fault& fault, PyObject* given) {
  if (!fault) return;
  set_error(fault, given);
  throw py::error_already_set();
}

}  // namespace glassheap::bindings
