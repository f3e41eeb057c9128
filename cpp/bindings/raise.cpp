// raise.cpp: a Fault becomes the exception that stands for it, outside of any lock.

#include "raise.hpp"

#include <pybind11/gil_safe_call_once.h>

#include <limits>

#include "registry.hpp"

namespace glassheap::bindings {
namespace {

// The number as the caller gave it, exactly: also if it was an object with __index__, or does not
// fit in 64 bits.
py::object exactly(std::uint64_t number, PyObject* given) {
  const bool beyond = number == std::numeric_limits<std::uint64_t>::max();
  if (given == nullptr || given == Py_None || (!beyond && PyLong_CheckExact(given) == 0))
    return py::int_(number);
  auto index = py::reinterpret_steal<py::object>(PyNumber_Index(given));
  if (!index) throw py::error_already_set();
  return index;
}

// The sentence, with an alignment as it was given. For one that does not fit in 64 bits the heap
// was given a 0, which it refuses too.
std::string as_given(const Fault& fault, PyObject* given) {
  std::string text = sentence(fault);
  if (fault.kind != FaultKind::invalid_alignment || fault.found != 0 || given == nullptr)
    return text;
  const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(given));
  if (!index) throw py::error_already_set();
  return text.replace(text.rfind("0 is not"), 1, py::str(index));
}

// The attributes of the exception, beside its sentence.
void add_details(const py::object& error, const Fault& fault, PyObject* given) {
  if (fault.kind == FaultKind::out_of_memory) {
    error.attr("requested") = exactly(fault.shortage.requested, given);
    error.attr("available") = fault.shortage.available;
    error.attr("largest") = fault.shortage.largest;
    error.attr("free_blocks") = fault.shortage.free_blocks;
    error.attr("align") = fault.shortage.align;
  } else if (fault.kind == FaultKind::no_pages) {
    error.attr("requested") = exactly(fault.found, given);
  } else if (fault.kind >= FaultKind::foreign_pointer && fault.kind <= FaultKind::stale_handle) {
    error.attr("address") = exactly(fault.address, given);
  } else if (fault.kind == FaultKind::bad_image) {
    error.attr("field") = fault.field;
  } else if (is_corruption(fault.kind)) {
    error.attr("offset") = fault.offset;
    error.attr("field") = name_of(fault.rule);
    error.attr("expected") = fault.expected;
    error.attr("found") = fault.found;
  }
}

// The enumerator of that name, among those up to `last`.
template <typename Enum>
Enum named(const std::string& name, Enum last) {
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    if (name == name_of(static_cast<Enum>(i))) return static_cast<Enum>(i);
  }
  throw py::value_error("check() reports no '" + name + "'.");
}

// Programs provoke this error on purpose, so it must cost little: its class is looked up once.
const py::object& out_of_memory() {
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> storage;
  return storage
      .call_once_and_store_result([] { return error_class(name_of(FaultKind::out_of_memory)); })
      .get_stored();
}

// Sets an OutOfMemory without a sentence, which is built when it is read. Its attributes are set
// all at once, as a dictionary: one by one they would take most of the time.
PyObject* set_shortage(const Shortage& shortage, PyObject* given, PyObject* heap) {
  const py::object& type = out_of_memory();
  const py::object error = type();
  const auto fields = py::reinterpret_steal<py::object>(Py_BuildValue(
      "{s:O,s:K,s:K,s:K,s:K,s:O}", "requested", exactly(shortage.requested, given).ptr(),
      "available", shortage.available, "largest", shortage.largest, "free_blocks",
      shortage.free_blocks, "align", shortage.align, "heap", heap));
  if (!fields || PyObject_GenericSetDict(error.ptr(), fields.ptr(), nullptr) != 0)
    throw py::error_already_set();
  PyErr_SetObject(type.ptr(), error.ptr());
  return nullptr;
}

}  // namespace

PyObject* set_error(const char* name, py::handle sentence) try {
  const py::object type = error_class(name);
  PyErr_SetObject(type.ptr(), sentence.ptr());
  return nullptr;
} catch (py::error_already_set& instead) {  // the stack or the interpreter is near its end
  instead.restore();
  return nullptr;
} catch (const std::exception& error) {
  PyErr_SetString(PyExc_MemoryError, error.what());
  return nullptr;
}

PyObject* set_error(const Fault& fault, PyObject* given, PyObject* heap) try {
  if (fault.kind == FaultKind::out_of_memory && heap != nullptr)
    return set_shortage(fault.shortage, given, heap);
  const py::object type = error_class(name_of(fault.kind));
  const py::object error = type(as_given(fault, given));
  add_details(error, fault, given);
  PyErr_SetObject(type.ptr(), error.ptr());
  return nullptr;
} catch (py::error_already_set& instead) {  // there was no memory for the exception, say
  instead.restore();
  return nullptr;
} catch (const std::exception& error) {
  PyErr_SetString(PyExc_MemoryError, error.what());
  return nullptr;
}

std::string describe_shortage(const py::int_& requested, Size available, Size largest,
                              Size free_blocks, Size align) {
  const auto most = py::int_(std::numeric_limits<std::uint64_t>::max());
  const Size asked = requested > most ? std::numeric_limits<Size>::max() : requested.cast<Size>();
  return sentence({.kind = FaultKind::out_of_memory,
                   .shortage = {asked, available, largest, free_blocks, align}});
}

std::string describe(const std::string& fault, const std::string& rule, Offset offset,
                     std::uint64_t expected, std::uint64_t found) {
  Fault described{.offset = offset, .expected = expected, .found = found};
  described.kind = named<FaultKind>(fault, FaultKind::system_error);
  described.rule = named<Rule>(rule, Rule::sentinel);
  return sentence(described);
}

void raise_if(const Fault& fault, PyObject* given, PyObject* heap) {
  if (!fault) return;
  set_error(fault, given, heap);
  throw py::error_already_set();
}

}  // namespace glassheap::bindings
