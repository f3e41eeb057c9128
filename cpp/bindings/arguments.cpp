// arguments.cpp: Python's integers in 64 bits, without surprises.

#include "arguments.hpp"

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

std::uint64_t require_size(const py::object& object, const char* name) {
  BoundedInt size;
  if (!read_size(object.ptr(), name, size)) throw py::error_already_set();
  return size.value;
}

}  // namespace glassheap::bindings
