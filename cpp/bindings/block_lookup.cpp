// block_lookup.cpp: Heap.block_of: the Block in which the bytes of an array lie.

#include "buffers.hpp"
#include "functions.hpp"
#include "raise.hpp"
#include "registry.hpp"

namespace glassheap::bindings {
namespace {

struct Bytes {
  const std::byte* first;
  Size size;  // 0: not known
};

// Where the elements of an array begin. Every array of NumPy tells, also one of dates, which has no
// buffer.
Bytes elements_of(const py::object& array) {
  const py::object place = array.attr("__array_interface__")["data"];
  return {reinterpret_cast<const std::byte*>(place[py::int_(0)].cast<std::uintptr_t>()), 0};
}

Bytes contents_of(const Py_buffer& buffer) {
  const Size size = PyBuffer_IsContiguous(&buffer, 'A') != 0 ? static_cast<Size>(buffer.len) : 0;
  return {static_cast<const std::byte*>(buffer.buf), size};
}

Bytes bytes_of(const py::object& object) {
  if (PyObject_CheckBuffer(object.ptr()) == 0)
    throw py::type_error("block_of needs an array or a memoryview, and a " +
                         std::string(Py_TYPE(object.ptr())->tp_name) + " has no bytes.");
  Py_buffer buffer;
  if (PyObject_GetBuffer(object.ptr(), &buffer, PyBUF_FULL_RO) == 0) {
    const Bytes bytes = contents_of(buffer);
    PyBuffer_Release(&buffer);
    return bytes;
  }
  const py::error_already_set refused;
  if (!py::hasattr(object, "__array_interface__")) throw refused;
  return elements_of(object);
}

// Finds the live block in whose payload the bytes lie.
bool find_around(Heap& heap, Address first, Size size, Handle& handle, Fault& fault) {
  const Address granule = first - (first - heap.base()) % granule_size;
  if (!heap.handle_around(granule, handle, fault)) return false;
  const Size before = first - handle.address;  // a header is before the payload: this wraps
  if (before <= handle.size && size <= handle.size - before) return true;
  fault = {.kind = FaultKind::interior_pointer};
  return false;
}

std::string in_words(const py::object& object, Bytes bytes) {
  const char* const type = short_name(Py_TYPE(object.ptr()));
  return py::str("the bytes of this {} begin at the real address {:#x}")
      .format(type, reinterpret_cast<std::uintptr_t>(bytes.first));
}

[[noreturn]] void refuse(const Heap& heap, const py::object& object, Bytes bytes,
                         const Fault& fault) {
  if (category_of(fault.kind) != FaultCategory::pointer) raise_if(fault);
  if (fault.kind != FaultKind::foreign_pointer)
    throw py::value_error(in_words(object, bytes) +
                          ", in this heap's region, but are not those of one live block.");
  const py::str sentence =
      py::str("{}, outside of this heap's region, {:#x} to {:#x}.")
          .format(in_words(object, bytes), heap.address(), heap.address() + heap.size());
  const py::object error = error_class("ForeignPointer")(sentence);
  error.attr("address") = fault.address;
  PyErr_SetObject(py::type::of(error).ptr(), error.ptr());
  throw py::error_already_set();
}

constexpr const char block_of_doc[] = R"(block_of($self, array, /)
--

Return the Block in which the bytes of an array lie.

array is one of Heap.array, Heap.copy or Block.numpy, a view of it, a memoryview of a block,
or an array that NumPy made under glassheap.numpy.use. An array over a Block gives that very
Block; otherwise it is one that does not free its memory when it is collected. O(log n).

Raises ForeignPointer if and only if the bytes lie outside of the region, ValueError if they
lie inside, but are not those of one live block, as those of Heap.region are not; TypeError
for an object without bytes, and in a heap that has none; HeapClosed.)";

py::object block_of(py::handle self, py::handle array) {
  auto& heap = require_value<Heap>(self.ptr());
  require_open(heap);
  require_bytes(heap);
  const auto object = py::reinterpret_borrow<py::object>(array);
  const py::object exporter = exporter_of(object);
  if (exporter && is_block(exporter.ptr()) && owner_of_block(exporter.ptr()).is(self))
    return exporter;
  const Bytes bytes = bytes_of(object);
  Fault fault;
  Handle handle;
  const Address first = reinterpret_cast<Address>(bytes.first) - heap.address() + heap.base();
  if (!find_around(heap, first, bytes.size, handle, fault)) refuse(heap, object, bytes, fault);
  return owned(make_block(py::reinterpret_borrow<py::object>(self), handle, Ownership::borrowed));
}

std::array lookup_methods = {method<block_of_doc, block_of>()};

}  // namespace

void add_block_lookup(PyTypeObject* heap) { add_methods(heap, lookup_methods); }

}  // namespace glassheap::bindings
