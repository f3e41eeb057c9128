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

// The text of an alignment, or a granule, for which the heap was given a 0, because 64 bits do not hold it. Empty
// for every other argument: Fault::argument is exact, or stands for every larger number too.
std::string argument_text(const Fault& fault, PyObject* given) {
  const bool may_be_clamped =
      fault.kind == FaultKind::invalid_alignment || fault.kind == FaultKind::invalid_granule;
  if (!may_be_clamped || fault.argument != 0 || given == nullptr) return "";
  const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(given));
  if (!index) throw py::error_already_set();
  const auto text = py::reinterpret_steal<py::object>(PyObject_Str(index.ptr()));
  if (text) return text.cast<std::string>();
  PyErr_Clear();  // Python refuses to print thousands of digits
  return "the one given";
}

void add_request(const py::object& error, const Fault& fault, PyObject* given) {
  if (fault.kind != FaultKind::out_of_memory && fault.kind != FaultKind::no_pages) return;
  error.attr("requested") = exactly(fault.argument, given);
  if (fault.kind == FaultKind::no_pages) return;
  error.attr("available") = fault.shortage.available;
  error.attr("largest") = fault.shortage.largest;
  error.attr("free_blocks") = fault.shortage.free_blocks;
  error.attr("align") = fault.shortage.align;
}

void add_damage(const py::object& error, const Fault& fault) {
  error.attr("offset") = fault.offset;
  error.attr("field") = name_of(fault.rule);
  error.attr("expected") = fault.expected;
  error.attr("found") = fault.found;
}

void add_wrong_field(const py::object& error, const Fault& fault) {
  error.attr("field") = fault.field;
  error.attr("expected") = fault.expected;
  error.attr("found") = fault.found;
  error.attr("offset") = fault.rule == Rule::none ? py::object(py::none()) : py::int_(fault.offset);
}

// Adds the attributes of the exception, beside its sentence.
void add_details(const py::object& error, const Fault& fault, PyObject* given) {
  const FaultCategory category = category_of(fault.kind);
  if (category == FaultCategory::request) add_request(error, fault, given);
  if (category == FaultCategory::pointer || fault.kind == FaultKind::must_move)
    error.attr("address") = exactly(fault.address, given);
  if (category == FaultCategory::corruption) add_damage(error, fault);
  if (fault.kind == FaultKind::bad_image) add_wrong_field(error, fault);
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
PyObject* set_shortage(const Fault& fault, PyObject* given, PyObject* heap) {
  const Shortage& shortage = fault.shortage;
  const py::object& type = out_of_memory();
  const py::object error = type();
  const auto fields = py::reinterpret_steal<py::object>(
      Py_BuildValue("{s:O,s:K,s:K,s:K,s:K,s:O}", "requested", exactly(fault.argument, given).ptr(),
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
  if (fault.kind == FaultKind::interrupted && PyErr_Occurred() != nullptr) return nullptr;
  if (fault.kind == FaultKind::out_of_memory && heap != nullptr)
    return set_shortage(fault, given, heap);
  const py::object type = error_class(name_of(fault.kind));
  const py::object error = type(sentence(fault, argument_text(fault, given)));
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

void raise_if(const Fault& fault, PyObject* given, PyObject* heap) {
  if (!fault) return;
  set_error(fault, given, heap);
  throw py::error_already_set();
}

void require_bytes(const Heap& heap) {
  if (!heap.has_bytes()) raise_if({.kind = FaultKind::no_bytes});
}

void require_open(Heap& heap) {
  if (heap.closed()) raise_if({.kind = FaultKind::heap_closed});
}

}  // namespace glassheap::bindings
