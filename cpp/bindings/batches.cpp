// batches.cpp: malloc_many and free_many: a million blocks for the price of the blocks.
//
// Their numbers come as a buffer of any integer format, read where it lies, or as any sequence. All
// of them are turned into 64 bits before the heap is touched; then the GIL is released.

#include "batches.hpp"

#include <cstring>
#include <vector>

#include "arguments.hpp"
#include "raise.hpp"

namespace glassheap::bindings {
namespace {

using Numbers = std::vector<std::uint64_t>;
using Read = bool (*)(PyObject*, std::uint64_t&);

bool read_one_size(PyObject* object, std::uint64_t& value) {
  Whole size;
  if (!read_size(object, "each size", size)) return false;
  value = size.value;
  return true;
}

bool read_one_address(PyObject* object, std::uint64_t& value) {
  return read_address(object, value);
}

Numbers from_sequence(const py::object& source, Read read) {
  const auto items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(source.ptr()));
  if (!items) throw py::error_already_set();
  Numbers numbers(items.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!read(PyTuple_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(i)), numbers[i]))
      throw py::error_already_set();
  }
  return numbers;
}

// Array's 'Q', and what NumPy calls uint64: these are copied as they are.
bool is_plain_uint64(const py::buffer_info& info) {
  return info.ndim == 1 && info.itemsize == 8 && info.strides[0] == 8 &&
         (info.format == "Q" || info.format == "L");
}

// Any other buffer is read through a memoryview, which knows all formats, and refuses what is no
// list of numbers.
Numbers read_numbers(const py::object& source, Read read) {
  if (!PyObject_CheckBuffer(source.ptr())) return from_sequence(source, read);
  const py::buffer_info info = py::reinterpret_borrow<py::buffer>(source).request();
  if (!is_plain_uint64(info)) {
    return from_sequence(py::memoryview(py::reinterpret_borrow<py::buffer>(source)), read);
  }
  Numbers numbers(static_cast<std::size_t>(info.shape[0]));
  if (!numbers.empty()) std::memcpy(numbers.data(), info.ptr, numbers.size() * sizeof numbers[0]);
  return numbers;
}

// array('Q', [0]) * count: one allocation, filled in place afterwards.
py::object zeros(std::size_t count) {
  const py::object array = py::module_::import("array").attr("array");
  return array("Q", py::make_tuple(0)) * py::int_(count);
}

}  // namespace

py::object malloc_many(Heap& heap, const py::object& sizes) {
  const Numbers requests = read_numbers(sizes, read_one_size);
  py::object addresses = zeros(requests.size());
  const py::buffer_info out = py::reinterpret_borrow<py::buffer>(addresses).request(true);
  Fault fault;
  {
    const py::gil_scoped_release others_may_run;
    heap.malloc_many(requests, {static_cast<Address*>(out.ptr), requests.size()}, fault);
  }
  raise_if(fault);
  return addresses;
}

void free_many(Heap& heap, const py::object& addresses) {
  Numbers payloads = read_numbers(addresses, read_one_address);
  Fault fault;
  {
    const py::gil_scoped_release others_may_run;
    heap.free_many(payloads, fault);
  }
  raise_if(fault);
}

}  // namespace glassheap::bindings
