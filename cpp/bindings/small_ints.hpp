// small_ints.hpp: ints of at most 60 bits, read where they are.
//
// Nearly every size and address is such an int. CPython's functions for it cost 40 to 60
// instructions, as much as the rest of what a hot method does around the call of the heap. So the
// digits are read here, as CPython's own headers do for one digit:
//
//     ob_size (up to 3.11)      the number of digits, negative for a negative int
//     lv_tag  (from 3.12)       the same number times 8; bit 1: negative; bit 0: zero
//     ob_digit[0], [1], ...     30 bits each, the lowest first
//
// For a Python whose layout is not known here, no int is a small one, and all go through CPython's
// functions.
#pragma once

#include <cstdint>

#include "bindings.hpp"

#if PY_VERSION_HEX < 0x030B0000
#include <longintrepr.h>  // later versions include it in Python.h
#endif

namespace glassheap::bindings {

inline constexpr bool knows_ints =
    PYLONG_BITS_IN_DIGIT == 30 && PY_VERSION_HEX >= 0x030A0000 && PY_VERSION_HEX < 0x030F0000;

// The number of digits; a number beyond all counts for a negative int.
[[nodiscard]] inline std::size_t digit_count(PyObject* number) noexcept {
#if PY_VERSION_HEX < 0x030C0000
  return static_cast<std::size_t>(Py_SIZE(number));
#else
  const std::uintptr_t tag = reinterpret_cast<PyLongObject*>(number)->long_value.lv_tag;
  return (tag & 2) == 0 ? tag >> 3 : ~std::size_t{0};
#endif
}

[[nodiscard]] inline const digit* digits_of(PyObject* number) noexcept {
#if PY_VERSION_HEX < 0x030C0000
  return reinterpret_cast<PyLongObject*>(number)->ob_digit;
#else
  return reinterpret_cast<PyLongObject*>(number)->long_value.ob_digit;
#endif
}

// Returns true if `object` is an int from 0 to 2^60 - 1, and sets `value`.
[[nodiscard]] inline bool read_small_int(PyObject* object, std::uint64_t& value) noexcept {
  if (!knows_ints || PyLong_Check(object) == 0) return false;
  const std::size_t count = digit_count(object);
  const digit* const digits = digits_of(object);
  if (count > 2) return false;
  value = count == 0 ? 0 : digits[0];  // the digit of 0 need not be set
  if (count == 2) value |= std::uint64_t{digits[1]} << PyLong_SHIFT;
  return true;
}

}  // namespace glassheap::bindings
