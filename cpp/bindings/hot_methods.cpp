// hot_methods.cpp: Heap: malloc, free and the other frequent calls, at the cost of CPython's own.
//
// A method that pybind11's def() makes costs 73 to 89 ns a call: it parses the arguments of any
// signature. A PyMethodDef with METH_FASTCALL | METH_KEYWORDS, put on the type with
// PyDescr_NewMethod, costs 8, as in a type written by hand. So the calls that a program makes a
// million times are here, with the few lines that parse their arguments; every other method is
// plain pybind11.
//
// The GIL stays held: releasing it would cost more than the call. Arguments are converted to
// numbers before the heap is called, because an __index__ may run any code, also on the heap.

#include <array>

#include "arguments.hpp"
#include "raise.hpp"

namespace glassheap::bindings {
namespace {

using Objects = PyObject* const*;

// The parameters of a method. The first `positional` may be passed by position, the others by
// keyword only; the first `required` must be passed.
template <std::size_t count>
struct Signature {
  const char* method;
  std::array<const char*, count> names;
  std::size_t positional;
  std::size_t required;
};

template <std::size_t count>
using Arguments = std::array<PyObject*, count>;  // null if not passed

template <std::size_t count>
bool set_type_error(const Signature<count>& signature, const char* what, const char* name) {
  PyErr_Format(PyExc_TypeError, "%s() %s '%s'.", signature.method, what, name);
  return false;
}

template <std::size_t count>
bool parse_keyword(const Signature<count>& signature, PyObject* name, PyObject* value,
                   Arguments<count>& arguments) {
  for (std::size_t i = 0; i < count; ++i) {
    if (PyUnicode_CompareWithASCIIString(name, signature.names[i]) != 0) continue;
    if (arguments[i] != nullptr)
      return set_type_error(signature, "got two values for", signature.names[i]);
    arguments[i] = value;
    return true;
  }
  PyErr_Format(PyExc_TypeError, "%s() takes no argument %R.", signature.method, name);
  return false;
}

template <std::size_t count>
bool parse_all(const Signature<count>& signature, Objects given, Py_ssize_t positional,
               PyObject* keywords, Arguments<count>& arguments) {
  const auto by_position = static_cast<std::size_t>(positional);
  if (by_position > signature.positional) {
    PyErr_Format(PyExc_TypeError, "%s() takes %zu arguments by position, not %zd.",
                 signature.method, signature.positional, positional);
    return false;
  }
  std::copy(given, given + by_position, arguments.begin());
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(keywords, i);
    if (!parse_keyword(signature, name, given[positional + i], arguments)) return false;
  }
  for (std::size_t i = 0; i < signature.required; ++i) {
    if (arguments[i] == nullptr)
      return set_type_error(signature, "needs an argument", signature.names[i]);
  }
  return true;
}

// Most calls by far pass exactly the required arguments, by position.
template <std::size_t count>
bool parse(const Signature<count>& signature, Objects given, Py_ssize_t positional,
           PyObject* keywords, Arguments<count>& arguments) {
  if (keywords != nullptr || positional != static_cast<Py_ssize_t>(signature.required))
    return parse_all(signature, given, positional, keywords, arguments);
  std::copy(given, given + positional, arguments.begin());
  return true;
}

// The arguments that an error may be about; null if not passed.
struct CallArguments {
  PyObject* size;
  PyObject* align;
  PyObject* pointer;
};

PyObject* address_or_error(PyObject* heap, Address address, const Fault& fault,
                           const CallArguments& given) {
  if (address != 0) return PyLong_FromUnsignedLongLong(address);
  PyObject* const other = fault.kind == FaultKind::invalid_alignment ? given.align : given.pointer;
  return set_error(fault, fault.kind == FaultKind::out_of_memory ? given.size : other, heap);
}

bool read_optional_align(PyObject* object, std::uint64_t& align) {
  align = granule_size;
  return object == nullptr || read_align(object, align);
}

// Most addresses are ints, for which the type need not be compared.
bool is_given_block(PyObject* object) { return PyLong_Check(object) == 0 && is_block(object); }

// --- The methods. ------------------------------------------------------------------------------

constexpr Signature<2> malloc_signature{"malloc", {"size", "align"}, 1, 1};

PyObject* heap_malloc(PyObject* self, Objects given, Py_ssize_t positional, PyObject* keywords) {
  Arguments<2> arguments{};
  BoundedInt size;
  std::uint64_t align = 0;
  Heap* const heap = heap_of(self);
  if (heap == nullptr || !parse(malloc_signature, given, positional, keywords, arguments) ||
      !read_size(arguments[0], "size", size) || !read_optional_align(arguments[1], align))
    return nullptr;
  Fault fault;
  const Address address = heap->malloc(size.value, align, fault);
  return address_or_error(self, address, fault, {arguments[0], arguments[1], nullptr});
}

constexpr Signature<2> calloc_signature{"calloc", {"count", "size"}, 2, 2};

py::object product(const Arguments<2>& arguments) {
  const auto count = py::reinterpret_steal<py::object>(PyNumber_Index(arguments[0]));
  const auto size = py::reinterpret_steal<py::object>(PyNumber_Index(arguments[1]));
  if (!count || !size) return {};
  return py::reinterpret_steal<py::object>(PyNumber_Multiply(count.ptr(), size.ptr()));
}

PyObject* heap_calloc(PyObject* self, Objects given, Py_ssize_t positional, PyObject* keywords) {
  Arguments<2> arguments{};
  BoundedInt count;
  BoundedInt size;
  Heap* const heap = heap_of(self);
  if (heap == nullptr || !parse(calloc_signature, given, positional, keywords, arguments) ||
      !read_size(arguments[0], "count", count) || !read_size(arguments[1], "size", size))
    return nullptr;
  Fault fault;
  const Address address = heap->calloc(count.value, size.value, fault);
  if (address != 0) return PyLong_FromUnsignedLongLong(address);
  const auto total = fault.kind == FaultKind::out_of_memory ? product(arguments) : py::object();
  return PyErr_Occurred() == nullptr ? set_error(fault, total.ptr(), self) : nullptr;
}

constexpr Signature<3> realloc_signature{"realloc", {"address", "size", "align"}, 2, 2};

PyObject* heap_realloc(PyObject* self, Objects given, Py_ssize_t positional, PyObject* keywords) {
  Arguments<3> arguments{};
  std::uint64_t address = 0;
  BoundedInt size;
  std::uint64_t align = 0;
  Heap* const heap = heap_of(self);
  if (heap == nullptr || !parse(realloc_signature, given, positional, keywords, arguments) ||
      !read_address(arguments[0], address) || !read_size(arguments[1], "size", size) ||
      !read_optional_align(arguments[2], align))
    return nullptr;
  Fault fault;
  const Address now = heap->realloc(address, size.value, align, fault);
  return address_or_error(self, now, fault, {arguments[1], arguments[2], arguments[0]});
}

constexpr Signature<1> free_signature{"free", {"address"}, 1, 1};

PyObject* heap_free(PyObject* self, Objects given, Py_ssize_t positional, PyObject* keywords) {
  Arguments<1> arguments{};
  std::uint64_t address = 0;
  Heap* const heap = heap_of(self);
  if (heap == nullptr || !parse(free_signature, given, positional, keywords, arguments))
    return nullptr;
  if (is_given_block(arguments[0])) return free_block(self, arguments[0]);
  if (!read_address(arguments[0], address)) return nullptr;
  Fault fault;
  if (!heap->free(address, fault)) return set_error(fault, arguments[0]);
  Py_RETURN_NONE;
}

constexpr Signature<1> usable_size_signature{"usable_size", {"address"}, 1, 1};

PyObject* heap_usable_size(PyObject* self, Objects given, Py_ssize_t positional,
                           PyObject* keywords) {
  Arguments<1> arguments{};
  std::uint64_t address = 0;
  Heap* const heap = heap_of(self);
  if (heap == nullptr || !parse(usable_size_signature, given, positional, keywords, arguments) ||
      !read_address(arguments[0], address))
    return nullptr;
  Fault fault;
  const Size usable = heap->usable_size(address, fault);
  return fault ? set_error(fault, arguments[0]) : PyLong_FromUnsignedLongLong(usable);
}

constexpr Signature<1> view_signature{"view", {"address"}, 1, 1};

PyObject* heap_view(PyObject* self, Objects given, Py_ssize_t positional, PyObject* keywords) {
  Arguments<1> arguments{};
  std::uint64_t address = 0;
  if (heap_of(self) == nullptr || !parse(view_signature, given, positional, keywords, arguments))
    return nullptr;
  if (is_given_block(arguments[0])) return view_block(self, arguments[0]);
  if (!read_address(arguments[0], address)) return nullptr;
  return make_view(py::reinterpret_borrow<py::object>(self), address,
                   py::reinterpret_borrow<py::object>(arguments[0]));
}

constexpr Signature<2> alloc_signature{"alloc", {"size", "align"}, 1, 1};

PyObject* heap_alloc(PyObject* self, Objects given, Py_ssize_t positional, PyObject* keywords) {
  Arguments<2> arguments{};
  BoundedInt size;
  std::uint64_t align = 0;
  Heap* const heap = heap_of(self);
  if (heap == nullptr || !parse(alloc_signature, given, positional, keywords, arguments) ||
      !read_size(arguments[0], "size", size) || !read_optional_align(arguments[1], align))
    return nullptr;
  Fault fault;
  Handle handle;
  if (!heap->acquire(size.value, align, handle, fault))
    return address_or_error(self, 0, fault, {arguments[0], arguments[1], nullptr});
  return make_block(py::reinterpret_borrow<py::object>(self), handle);
}

// --- Their descriptions. -----------------------------------------------------------------------

constexpr const char* malloc_doc = R"(malloc($self, size, *, align=16)
--

Allocate a block of size bytes and return the address of its payload.

The payload is aligned to align bytes, a power of two up to a quarter of the region (1 to 16 all
mean 16). The block takes size rounded up to 16, and 16 bytes of header where the heap has headers
(buddy: that rounded up to a power of two); malloc(0) gives a distinct block without payload. The
bytes are not cleared. O(log n); O(n) in sequential_fit, O(1) in segregated_fit and tlsf.

Raises OutOfMemory if and only if no free block can serve the request, InvalidSize if size is
negative, InvalidAlignment for any other align, HeapDamaged, HeapClosed.)";

constexpr const char* calloc_doc = R"(calloc($self, count, size)
--

Allocate count * size bytes, all zero, and return the address of the payload.

Like malloc(count * size), whatever the product: it never wraps. O(count * size) for the clearing.

Raises OutOfMemory, InvalidSize, HeapDamaged, HeapClosed, as malloc does.)";

constexpr const char* realloc_doc = R"(realloc($self, address, size, *, align=16)
--

Give the block at address another size in bytes and return the new address of its payload.

The contents stay, up to the smaller of the two sizes. A shrinking block gives back its tail in
place; a growing one takes the low end of its free right neighbour if that is enough; otherwise, or
if it is not aligned to align, the block moves. realloc(None, n) is malloc(n); realloc(p, 0) keeps a
block of size 0. O(1) in place, else as malloc and free, and O(size) for the copy.

Raises OutOfMemory if and only if the block has to move and no free block can serve, with the old
block untouched; what free raises for a bad address; BufferError while a view of the block lives;
InvalidSize, InvalidAlignment, HeapDamaged, HeapClosed.)";

constexpr const char* free_doc = R"(free($self, address)
--

Give back the block whose payload starts at address, and merge it with its free neighbours.

A Block is freed as by its own free(). free(None) and free(0) do nothing. O(1) or O(log n); with
sequential_fit O(n).

Raises DoubleFree if the memory there is free already, InteriorPointer inside a live block but not
at its payload, MisalignedPointer where no block can start, ForeignPointer outside the region and
for a Block of another heap, StaleHandle for a Block whose memory was given back before; BadMagic or
HeaderCorrupted if the header in front of the payload was overwritten, FreeListCorrupted if the node
of a neighbour in the free list was; BufferError while a view of the block lives; HeapDamaged,
HeapClosed. Whatever it raises, nothing has changed.)";

constexpr const char* usable_size_doc = R"(usable_size($self, address)
--

Return how many bytes may be written at address: the size asked for, rounded up to 16.

O(log n). Raises what free raises for a bad address or a damaged header, and HeapClosed.)";

constexpr const char* view_doc = R"(view($self, address)
--

Return a writable memoryview of exactly the bytes asked for, without a copy.

Of a Block it is the view that memoryview(block) gives.

The view pins the block: free, realloc, reset and close raise BufferError until the view, and each
slice and array made of it, is gone or released. It keeps the heap's memory alive.

O(log n). Raises what free raises for a bad address or a damaged header, and HeapClosed.)";

constexpr const char* alloc_doc = R"(alloc($self, size, *, align=16)
--

Allocate size bytes and return a Block, which frees itself.

The Block exports its bytes through the buffer protocol, frees them when it is collected, when a
with statement over it ends, or by its free(), and detects that it is stale.

Raises what malloc raises.)";

template <typename Function>
PyMethodDef hot(const char* name, Function function, const char* doc) {
  void (*const any)() = reinterpret_cast<void (*)()>(function);
  return {name, reinterpret_cast<PyCFunction>(any), METH_FASTCALL | METH_KEYWORDS, doc};
}

std::array methods = {
    hot("malloc", heap_malloc, malloc_doc),
    hot("calloc", heap_calloc, calloc_doc),
    hot("realloc", heap_realloc, realloc_doc),
    hot("free", heap_free, free_doc),
    hot("usable_size", heap_usable_size, usable_size_doc),
    hot("view", heap_view, view_doc),
    hot("alloc", heap_alloc, alloc_doc),
};

}  // namespace

// pybind11 puts the C++ object of a plain instance in its first slot. An instance of a class that
// inherits from several bound classes has another layout, and takes the slow path.
Heap* heap_of(PyObject* self) noexcept {
  auto* const instance = reinterpret_cast<py::detail::instance*>(self);
  void* const value =
      instance->simple_layout
          ? instance->simple_value_holder[0]
          : instance->get_value_and_holder(py::detail::get_type_info(typeid(Heap))).value_ptr();
  if (value == nullptr)
    PyErr_SetString(PyExc_TypeError, "this Heap was never opened: its __init__ was not called.");
  return static_cast<Heap*>(value);
}

void add_hot_methods(py::handle heap_type) {
  auto* const type = reinterpret_cast<PyTypeObject*>(heap_type.ptr());
  for (PyMethodDef& method : methods) {
    const auto descriptor = py::reinterpret_steal<py::object>(PyDescr_NewMethod(type, &method));
    if (!descriptor) throw py::error_already_set();
    py::setattr(heap_type, method.ml_name, descriptor);
  }
}

}  // namespace glassheap::bindings
