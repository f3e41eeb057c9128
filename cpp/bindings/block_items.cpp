// block_items.cpp: the bytes of a Block by index and by slice, as in a bytearray.

#include "arguments.hpp"
#include "functions.hpp"
#include "raise.hpp"

namespace glassheap::bindings {
namespace {

constexpr const char get_item_doc[] = R"(__getitem__($self, key, /)
--

Return the byte at an index, or a copy of the bytes of a slice.

Raises IndexError if and only if the index is out of range, TypeError for a key of another
type, and what Heap.view raises.)";

void require_key(py::handle key) {
  if (PyIndex_Check(key.ptr()) != 0 || PySlice_Check(key.ptr())) return;
  throw py::type_error("a key of a Block must be a whole number or a slice, not " +
                       std::string(Py_TYPE(key.ptr())->tp_name) + ".");
}

// Throws TypeError for a block of an offset heap.
void require_bytes_of(py::handle block) {
  if (const Heap* const heap = heap_of_block(block.ptr())) require_bytes(*heap);
}

py::object get_item(py::handle self, py::handle key) {
  require_key(key);
  require_bytes_of(self);
  const py::memoryview view(py::reinterpret_borrow<py::object>(self));
  py::object item = view[key];
  if (!py::isinstance<py::memoryview>(item)) return item;
  return owned(PyBytes_FromObject(item.ptr()));
}

constexpr const char set_item_doc[] = R"(__setitem__($self, key, value, /)
--

Write a byte at an index, or the bytes of a slice, from an object with a buffer.

Raises IndexError if and only if the index is out of range, ValueError for another number of
bytes or no byte, TypeError for a key or value of another type, and what Heap.view raises.)";

void require_byte(py::handle value) {
  BoundedInt byte;
  if (!read_bounded_int(value.ptr(), "a byte", byte)) throw py::error_already_set();
  if (byte.negative || byte.value > 0xFF) throw py::value_error("a byte is from 0 to 255.");
}

void set_item(py::handle self, py::handle key, py::handle value) {
  require_key(key);
  require_bytes_of(self);
  if (PyIndex_Check(key.ptr()) != 0)
    require_byte(value);
  else
    require_buffer(value, "the value of a slice");
  py::memoryview view(py::reinterpret_borrow<py::object>(self));
  view[key] = value;
}

std::array item_methods = {
    method<get_item_doc, get_item>(),
    method<set_item_doc, set_item>(),
};

}  // namespace

void add_block_items(PyTypeObject* block) { add_methods(block, item_methods); }

}  // namespace glassheap::bindings
