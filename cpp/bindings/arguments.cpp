#include "arguments.hpp"

#include "raise.hpp"

namespace glassheap::bindings {
namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

bool read_long(PyObject* number, BoundedInt& whole) noexcept {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  whole = {static_cast<std::uint64_t>(value), false, false};
  if (overflow == 0 && value >= 0) return true;
  if (overflow <= 0) {
    whole = {0, true, false};
    return true;
  }
  whole.value = PyLong_AsUnsignedLongLong(number);
  if (PyErr_Occurred() != nullptr) {
    PyErr_Clear();  // an OverflowError, which is what `beyond` says
    whole = {most, false, true};
  }
  return true;
}

bool no_number(PyObject* object, const char* name) noexcept {
  PyErr_Format(PyExc_TypeError, "%s must be a whole number, not %.100s.", name,
               Py_TYPE(object)->tp_name);
  return false;
}

// A number of thousands of digits cannot be printed, nor can what prints itself badly: it need not
// be.
bool negative_size(PyObject* object, const char* name) noexcept {
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

bool read_bounded_int(PyObject* object, const char* name, BoundedInt& whole) noexcept {
  if (PyLong_Check(object)) return read_long(object, whole);
  if (PyIndex_Check(object) == 0) return no_number(object, name);
  PyObject* const number = PyNumber_Index(object);
  if (number == nullptr) return false;
  const bool read = read_long(number, whole);
  Py_DECREF(number);
  return read;
}

bool read_size(PyObject* object, const char* name, BoundedInt& size) noexcept {
  if (!read_bounded_int(object, name, size)) return false;
  return !size.negative || negative_size(object, name);
}

bool read_align(PyObject* object, std::uint64_t& align) noexcept {
  BoundedInt whole;
  if (!read_bounded_int(object, "align", whole)) return false;
  align = whole.beyond ? 0 : whole.value;
  return true;
}

bool read_address(PyObject* object, std::uint64_t& address) noexcept {
  BoundedInt whole;
  if (object == Py_None) {
    address = 0;
    return true;
  }
  if (!read_bounded_int(object, "address", whole)) return false;
  address = whole.negative || whole.beyond ? most : whole.value;
  return true;
}

}  // namespace glassheap::bindings
