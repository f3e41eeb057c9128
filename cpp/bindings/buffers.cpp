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

BorrowedBuffer hold(py::handle object, int flags) {
  auto held = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(object.ptr(), held.get(), flags) != 0) throw py::error_already_set();
  const std::span bytes(static_cast<std::byte*>(held->buf), static_cast<std::size_t>(held->len));
  return {bytes, std::shared_ptr<void>(held.release(), release)};
}

BorrowedBuffer borrow(py::handle object) try {
  return hold(object, PyBUF_WRITABLE | PyBUF_ANY_CONTIGUOUS);
} catch (const py::error_already_set& error) {
  if (error.matches(PyExc_ValueError)) throw;  // released
  refuse(object);
}

namespace {

const Heap* heap_of_exporter(PyObject* object) {
  const Heap* const heap = heap_of_block(object);
  return heap != nullptr ? heap : heap_of_view(object);
}

// A memoryview and an array know the object whose bytes they show. A memoryview that was released
// raises: its buffer has a pointer to an object that may be gone.
py::object shown_by(const py::object& object) {
  if (PyMemoryView_Check(object.ptr()) != 0) return object.attr("obj");
  return py::getattr(object, "base", py::none());
}

}  // namespace

py::object exporter_of(const py::object& buffer) try {
  constexpr int longest_chain = 32;
  py::object object = buffer;
  for (int links = 0; object && !object.is_none() && links < longest_chain; ++links) {
    if (heap_of_exporter(object.ptr()) != nullptr) return object;
    object = shown_by(object);
  }
  return {};
} catch (const py::error_already_set&) {
  return {};
}

const Heap* heap_around(const py::object& buffer) {
  const py::object exporter = exporter_of(buffer);
  return exporter ? heap_of_exporter(exporter.ptr()) : nullptr;
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
