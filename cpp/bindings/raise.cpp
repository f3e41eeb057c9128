#include "raise.hpp"

#include <pybind11/gil_safe_call_once.h>

#include <limits>

#include "arguments.hpp"

namespace glassheap::bindings {
namespace {

// The number that the caller gave, exactly: also where it is an object with __index__, and where 64
// bits do not hold it.
py::object exactly(std::uint64_t number, PyObject* given) {
  const bool beyond = number == std::numeric_limits<std::uint64_t>::max();
  if (given == nullptr || given == Py_None || (!beyond && PyLong_CheckExact(given) == 0))
    return py::int_(number);
  auto whole = py::reinterpret_steal<py::object>(PyNumber_Index(given));
  if (!whole) throw py::error_already_set();
  return whole;
}

// The text of an alignment for which the heap was given a 0, because 64 bits do not hold it. Empty
// for every other argument: Fault::argument is exact, or stands for every larger number too.
std::string argument_text(const Fault& fault, PyObject* given) {
  if (fault.kind != FaultKind::invalid_alignment || fault.argument != 0 || given == nullptr)
    return "";
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

// Adds the attributes of the exception, beside its sentence.
void add_details(const py::object& error, const Fault& fault, PyObject* given) {
  const FaultCategory category = category_of(fault.kind);
  if (category == FaultCategory::request) add_request(error, fault, given);
  if (category == FaultCategory::pointer) error.attr("address") = exactly(fault.address, given);
  if (category == FaultCategory::corruption) add_damage(error, fault);
  if (fault.kind == FaultKind::bad_image) error.attr("field") = fault.field;
}

// Programs run into this on purpose; so its class is looked up once.
const py::object& out_of_memory() {
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> storage;
  return storage
      .call_once_and_store_result([] { return error_class(name_of(FaultKind::out_of_memory)); })
      .get_stored();
}

// Without a sentence: OutOfMemory puts it together when it is read. All attributes at once, which
// is what most of the time would go into.
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

py::object error_class(const char* name) {
  const py::module_ errors = py::module_::import("glassheap.errors");
  if (py::hasattr(errors, name)) return errors.attr(name);
  return py::module_::import("builtins").attr(name);
}

PyObject* set_error(const char* name, py::handle sentence) try {
  const py::object type = error_class(name);
  PyErr_SetObject(type.ptr(), sentence.ptr());
  return nullptr;
} catch (py::error_already_set& instead) {  // near the end of the stack, or of the interpreter
  instead.restore();
  return nullptr;
} catch (const std::exception& error) {
  PyErr_SetString(PyExc_MemoryError, error.what());
  return nullptr;
}

PyObject* set_error(const Fault& fault, PyObject* given, PyObject* heap) try {
  if (fault.kind == FaultKind::out_of_memory && heap != nullptr)
    return set_shortage(fault, given, heap);
  const py::object type = error_class(name_of(fault.kind));
  const py::object error = type(sentence(fault, argument_text(fault, given)));
  add_details(error, fault, given);
  PyErr_SetObject(type.ptr(), error.ptr());
  return nullptr;
} catch (py::error_already_set& instead) {  // no memory for the exception, say
  instead.restore();
  return nullptr;
} catch (const std::exception& error) {
  PyErr_SetString(PyExc_MemoryError, error.what());
  return nullptr;
}

std::string explain(OpenHeap heap, const py::object& requested, Size available, Size largest,
                    Size free_blocks, Size align) {
  BoundedInt size;
  if (!read_bounded_int(requested.ptr(), "requested", size)) throw py::error_already_set();
  const Fault shortage{.kind = FaultKind::out_of_memory,
                       .argument = size.value,
                       .shortage = {available, largest, free_blocks, align}};
  const py::gil_scoped_release gil_released;
  return heap->explain(shortage);
}

double index_of_fragmentation(const py::object& requested, Size available, Size free_blocks) {
  BoundedInt size;
  if (!read_bounded_int(requested.ptr(), "requested", size)) throw py::error_already_set();
  return fragmentation_index(size.value, available, free_blocks);
}

void raise_if(const Fault& fault, PyObject* given, PyObject* heap) {
  if (!fault) return;
  set_error(fault, given, heap);
  throw py::error_already_set();
}

}  // namespace glassheap::bindings
