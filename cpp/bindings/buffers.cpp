// buffers.cpp: a caller's buffer as a region.

#include "buffers.hpp"

#include <memory>

#include "gil.hpp"

namespace glassheap::bindings {
namespace {

void release(void* buffer) {
  const GilHeld gil;
  auto* const held = static_cast<Py_buffer*>(buffer);
  PyBuffer_Release(held);
  delete held;
}

[[noreturn]] void refuse(py::handle object) {
  const auto type = std::string(py::str(py::type::of(object).attr("__name__")));
  if (PyObject_CheckBuffer(object.ptr()) == 0)
    throw py::type_error("a heap needs an object with a buffer, and " + type + " has none.");
  throw py::buffer_error(
      "a heap needs bytes that can be written, in one piece, and those of this " + type +
      " are not.");
}

}  // namespace

BorrowedBuffer borrow(py::handle object) {
  auto held = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(object.ptr(), held.get(), PyBUF_WRITABLE | PyBUF_ANY_CONTIGUOUS) != 0) {
    if (PyErr_ExceptionMatches(PyExc_ValueError) != 0) throw py::error_already_set();  // released
    PyErr_Clear();
    refuse(object);
  }
  const std::span bytes(static_cast<std::byte*>(held->buf), static_cast<std::size_t>(held->len));
  return {bytes, std::shared_ptr<void>(held.release(), release)};
}

namespace {

// A memoryview and an array know the object whose bytes they show.
py::object shown_by(const py::object& object) {
  if (PyMemoryView_Check(object.ptr()) == 0) return py::getattr(object, "base", py::none());
  return py::reinterpret_borrow<py::object>(PyMemoryView_GET_BUFFER(object.ptr())->obj);
}

}  // namespace

const Heap* heap_around(const py::object& buffer) try {
  constexpr int longest_chain = 32;
  py::object object = buffer;
  for (int links = 0; object && !object.is_none() && links < longest_chain; ++links) {
    if (const Heap* const heap = heap_of_block(object.ptr())) return heap;
    if (const Heap* const heap = heap_of_view(object.ptr())) return heap;
    object = shown_by(object);
  }
  return nullptr;
} catch (const py::error_already_set&) {
  return nullptr;
}

SegmentLocation location_in(py::handle buffer) {
  const BorrowedBuffer borrowed = borrow(buffer);
  if (reinterpret_cast<Address>(borrowed.bytes.data()) % 64 != 0)
    throw py::value_error("bytes that processes share begin at a multiple of 64, as in an mmap.");
  SegmentLocation location;
  location.data = borrowed.bytes.data();
  location.size = borrowed.bytes.size();
  location.keeper = borrowed.keeper;
  return location;
}

}  // namespace glassheap::bindings
