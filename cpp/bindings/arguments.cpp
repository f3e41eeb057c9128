// arguments.cpp: Python's integers in 64 bits, without surprises, and other arguments.

#include "arguments.hpp"

#include "instances.hpp"
#include "raise.hpp"

namespace glassheap::bindings {
namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

// A number from 2^63 upwards.
BoundedInt read_large(PyObject* number) noexcept {
  const unsigned long long value = PyLong_AsUnsignedLongLong(number);
  if (PyErr_Occurred() == nullptr) return {value, false, false};
  PyErr_Clear();  // an OverflowError
  return {most, false, true};
}

BoundedInt read_long(PyObject* number) noexcept {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow > 0) return read_large(number);
  if (overflow < 0 || value < 0) return {0, true, false};
  return {static_cast<std::uint64_t>(value), false, false};
}

bool refuse_type(PyObject* object, const char* name) noexcept {
  PyErr_Format(PyExc_TypeError, "%s must be a whole number, not %.100s.", name,
               Py_TYPE(object)->tp_name);
  return false;
}

// str() of the number fails for thousands of digits, or if the object's own __str__ does: then the
// sentence goes without it.
bool refuse_negative(PyObject* object, const char* name) noexcept {
  PyObject* number = PyObject_Str(object);
  if (number == nullptr) {
    PyErr_Clear();
    number = PyUnicode_FromString("the one given");
  }
  PyObject* const sentence =
      PyUnicode_FromFormat("%s counts from 0 upwards, and %U is negative.", name, number);
  if (sentence != nullptr) set_error("InvalidSize", sentence);
  Py_XDECREF(number);
  Py_XDECREF(sentence);
  return false;
}

// For the functions that throw.
[[noreturn]] void refuse(py::handle object, const char* name, const char* wanted) {
  PyErr_Format(PyExc_TypeError, "%s must be %s, not %.100s.", name, wanted,
               Py_TYPE(object.ptr())->tp_name);
  throw py::error_already_set();
}

}  // namespace

bool read_bounded_int(PyObject* object, const char* name, BoundedInt& number) noexcept {
  if (PyLong_Check(object)) {
    number = read_long(object);
    return true;
  }
  if (PyIndex_Check(object) == 0) return refuse_type(object, name);
  PyObject* const index = PyNumber_Index(object);
  if (index == nullptr) return false;
  number = read_long(index);
  Py_DECREF(index);
  return true;
}

bool read_size(PyObject* object, const char* name, BoundedInt& size) noexcept {
  if (!read_bounded_int(object, name, size)) return false;
  return !size.negative || refuse_negative(object, name);
}

bool read_align(PyObject* object, std::uint64_t& align) noexcept {
  BoundedInt number;
  if (!read_bounded_int(object, "align", number)) return false;
  align = number.beyond ? 0 : number.value;
  return true;
}

bool read_address(PyObject* object, std::uint64_t& address) noexcept {
  BoundedInt number;
  if (object == Py_None) {
    address = 0;
    return true;
  }
  if (!read_bounded_int(object, "address", number)) return false;
  address = number.negative || number.beyond ? most : number.value;
  return true;
}

bool read_address(const Heap& heap, PyObject* object, std::uint64_t& address) noexcept {
  if (object == Py_None && !heap.has_bytes()) return refuse_type(object, "address");
  return read_address(object, address);
}

std::uint64_t require_size(py::handle object, const char* name) {
  BoundedInt size;
  if (!read_size(object.ptr(), name, size)) throw py::error_already_set();
  return size.value;
}

std::uint64_t require_number(py::handle object, const char* name) {
  BoundedInt number;
  if (!read_bounded_int(object.ptr(), name, number)) throw py::error_already_set();
  if (number.negative || number.beyond)
    throw py::value_error(std::string(name) + " is a number of 64 bits, from 0 upwards.");
  return number.value;
}

double require_seconds(py::handle object, const std::string& name) {
  if (PyNumber_Check(object.ptr()) == 0) throw py::type_error(name + " must be a number.");
  const double seconds = PyFloat_AsDouble(object.ptr());
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (!(seconds >= 0)) throw py::value_error(name + " is a number of seconds from 0 upwards.");
  return seconds;
}

std::uint64_t require_address(py::handle object) {
  std::uint64_t address = 0;
  if (!read_address(object.ptr(), address)) throw py::error_already_set();
  return address;
}

std::uint64_t require_address(const Heap& heap, py::handle object) {
  std::uint64_t address = 0;
  if (!read_address(heap, object.ptr(), address)) throw py::error_already_set();
  return address;
}

bool require_flag(py::handle object, const char* name) {
  py::detail::make_caster<bool> flag;
  if (!flag.load(object, /*convert=*/false))
    throw py::type_error(std::string(name) + " must be True or False.");
  return py::detail::cast_op<bool>(flag);
}

std::string require_bytes(py::handle object, const char* name) {
  if (!py::isinstance<py::bytes>(object)) refuse(object, name, "bytes");
  return object.cast<std::string>();
}

std::string require_string(py::handle object, const char* name) {
  if (!py::isinstance<py::str>(object)) refuse(object, name, "a string");
  return py::str(object);
}

std::optional<std::string> read_path(py::handle object) {
  if (!object || object.is_none()) return std::nullopt;
  PyObject* path = nullptr;
  if (PyUnicode_FSConverter(object.ptr(), &path) == 0) throw py::error_already_set();
  return py::reinterpret_steal<py::bytes>(path).cast<std::string>();
}

py::buffer_info require_buffer(py::handle object, const char* name) {
  if (!py::isinstance<py::buffer>(object)) refuse(object, name, "an object with a buffer");
  return py::reinterpret_borrow<py::buffer>(object).request();
}

Heap& require_heap(py::handle object) {
  if (!is_instance<Heap>(object.ptr())) refuse(object, "heap", "a Heap");
  return require_value<Heap>(object.ptr());
}

}  // namespace glassheap::bindings
