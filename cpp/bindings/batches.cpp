// batches.cpp: Heap: malloc_many and free_many, a million blocks for the price of the blocks.
//
// Their numbers are a buffer of any integer format, or any sequence. All of them are converted to
// 64 bits before the heap is touched; then the GIL is released.

#include <pybind11/gil_safe_call_once.h>

#include <bit>
#include <vector>

#include "arguments.hpp"
#include "functions.hpp"
#include "gil.hpp"
#include "raise.hpp"
#include "small_ints.hpp"
#include "tags.hpp"

namespace glassheap::bindings {
namespace {

using Numbers = std::vector<std::uint64_t>;
bool read_one_size(PyObject* object, std::uint64_t& value) {
  if (read_small_int(object, value)) [[likely]]
    return true;
  BoundedInt size;
  if (!read_size(object, "each size", size)) return false;
  value = size.value;
  return true;
}

bool read_one_address(PyObject* object, std::uint64_t& value) {
  return read_small_int(object, value) || read_address(object, value);
}

py::tuple items_of(py::handle source) {
  auto items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(source.ptr()));
  if (!items) throw py::error_already_set();
  return items;
}

PyObject* item(const py::tuple& items, std::size_t i) {
  return PyTuple_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(i));
}

template <auto read>
Numbers from_items(const py::tuple& items) {
  Numbers numbers(items.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!read(item(items, i), numbers[i])) throw py::error_already_set();
  }
  return numbers;
}

// The formats of array('Q') and of NumPy's uint64: these are copied as they are.
bool is_plain_uint64(const py::buffer_info& info) {
  return info.ndim == 1 && info.itemsize == 8 && info.strides[0] == 8 &&
         (info.format == "Q" || info.format == "L") &&
         std::bit_cast<std::uintptr_t>(info.ptr) % alignof(std::uint64_t) == 0;
}

Numbers from_buffer(const py::buffer_info& info) {
  const auto* const first = static_cast<const std::uint64_t*>(info.ptr);
  return {first, first + info.shape[0]};
}

// The numbers that were passed, and the objects that they were read from, if any.
struct Batch {
  Numbers numbers;
  py::tuple items;

  [[nodiscard]] PyObject* given(std::size_t i) const {
    return i < items.size() ? item(items, i) : nullptr;
  }
};

// A buffer of another format is read as a sequence, or through a memoryview if it is none: both
// know all formats, and refuse anything but a list of numbers.
template <auto read>
Batch read_batch(py::handle source) {
  const bool buffer = PyObject_CheckBuffer(source.ptr()) != 0;
  if (buffer) {
    const py::buffer_info info = py::reinterpret_borrow<py::buffer>(source).request();
    if (is_plain_uint64(info)) return {from_buffer(info), py::tuple()};
  }
  const bool view = buffer && PySequence_Check(source.ptr()) == 0;
  const py::tuple items = view
                              ? items_of(py::memoryview(py::reinterpret_borrow<py::buffer>(source)))
                              : items_of(source);
  return {from_items<read>(items), items};
}

// array('Q', [0]), made once. Importing array takes longer than importing this module, so it waits
// for the first batch.
const py::object& one_zero() {
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> storage;
  return storage
      .call_once_and_store_result(
          [] { return py::module_::import("array").attr("array")("Q", py::make_tuple(0)); })
      .get_stored();
}

// The place of the nth number that is not 0.
std::size_t place_of_nonzero(const Numbers& numbers, std::size_t nth) {
  std::size_t i = 0;
  while (i < numbers.size() && (numbers[i] == 0 || nth-- != 0)) ++i;
  return i;
}

// For an offset heap, which does not skip 0: drops every None.
void drop_none(Batch& batch) {
  py::list kept;
  Numbers numbers;
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    if (batch.given(i) == Py_None) continue;
    kept.append(batch.given(i));
    numbers.push_back(batch.numbers[i]);
  }
  if (!batch.items.empty()) batch = {std::move(numbers), py::tuple(kept)};
}

// The object to blame for the address with this index, among those that the heap did not skip.
PyObject* blamed(const Heap& heap, const Batch& batch, const Numbers& kept, std::size_t index) {
  return batch.given(heap.has_bytes() ? place_of_nonzero(kept, index) : index);
}

constexpr const char malloc_many_doc[] = R"(malloc_many($self, sizes, *, tag=None)
--

Allocate a block for each of sizes, and return their addresses as an array('Q').

sizes is a buffer of integers, or a sequence, of sizes in bytes. The addresses are those
that as many calls of malloc would give, each with this tag. It succeeds whole or changes
nothing. It takes at most as long as that many calls of malloc. The GIL is released.

Raises what malloc raises.)";

py::object malloc_many(py::handle self, py::handle sizes, py::handle given_tag) {
  Heap& heap = require_value<Heap>(self.ptr());
  const Batch batch = read_batch<read_one_size>(sizes);
  CallTag tag;
  if (!tag.read(heap, given_tag.ptr())) throw py::error_already_set();
  const std::size_t count = batch.numbers.size();
  py::object addresses = one_zero() * py::int_(count);  // one allocation, filled in place
  const py::buffer_info out = py::reinterpret_borrow<py::buffer>(addresses).request(true);
  const Announcement announced(heap, tag.id() != 0 ? tag.id() : context_tag_to_record(heap));
  Fault fault;
  {
    const GilReleased gil_released;
    heap.malloc_many(batch.numbers, {static_cast<Address*>(out.ptr), count}, fault);
  }
  raise_if(fault, batch.given(fault.index), self.ptr());
  const std::span handed_out(static_cast<const Address*>(out.ptr), count);
  if (const TagId context = heap.has_tag_scopes() ? context_tag(heap) : 0; context != 0)
    for (const Address address : handed_out) heap.set_tag(address, context);
  for (const Address address : handed_out) tag.put_on(address);
  return addresses;
}

constexpr const char free_many_doc[] = R"(free_many($self, addresses)
--

Give back the block at each of addresses.

addresses is a buffer of integers, or a sequence; None and 0 are skipped. The blocks are
freed from the highest address down, whatever their order here. It succeeds whole or changes
nothing; an address that occurs twice is a DoubleFree. It takes at most as long as that many
calls of free. The GIL is released.

Raises what free raises.)";

void free_many(Heap& heap, py::handle addresses) {
  Batch batch = read_batch<read_one_address>(addresses);
  if (!heap.has_bytes()) drop_none(batch);
  // The call overwrites the numbers. They are needed afterwards only to find the object to blame.
  const Numbers kept = batch.items.empty() ? Numbers() : batch.numbers;
  Fault fault;
  {
    const GilReleased gil_released;
    heap.free_many(batch.numbers, fault);
  }
  raise_if(fault, blamed(heap, batch, kept, fault.index));
}

std::array batch_methods = {
    method<malloc_many_doc, malloc_many>(),
    method<free_many_doc, free_many>(),
};

}  // namespace

void add_batches(PyTypeObject* type) { add_methods(type, batch_methods); }

}  // namespace glassheap::bindings
