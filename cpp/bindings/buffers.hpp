// buffers.hpp: a caller's buffer as a region.
#pragma once

#include <span>

#include "bindings.hpp"

namespace glassheap::bindings {

// The bytes of a buffer, held until the last copy of `keeper` goes.
struct BorrowedBuffer {
  std::span<std::byte> bytes;
  std::shared_ptr<void> keeper;
};

// Gets the buffer of an object, with the flags of PyObject_GetBuffer. Throws what that raises.
BorrowedBuffer hold(py::handle object, int flags);

// The same, of bytes that can be a region. Throws TypeError if the object has no buffer, BufferError if its bytes are read-only or not
// contiguous, ValueError if it was released.
BorrowedBuffer borrow(py::handle object);

// What exports the bytes of a buffer: a Block, or the exporter of a view; found behind a memoryview of
// it, and an array over that. Null if the object does not tell.
py::object exporter_of(const py::object& buffer);

// The heap that has handed out the block in which the bytes of a buffer lie: a Block, a memoryview of
// one, or an array over that. Null if the object does not tell.
const Heap* heap_around(const py::object& buffer);

// The buffer as the location of a shared heap. Throws ValueError if it does not begin at a multiple of
// 64, and as borrow() does.
SegmentLocation location_in(py::handle buffer);

}  // namespace glassheap::bindings
