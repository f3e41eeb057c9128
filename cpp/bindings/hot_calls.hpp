// hot_calls.hpp: the way of a call that a program makes a million times.
//
// It is a method as in functions.hpp, but without a try block or a temporary Python object, and with
// a short way for arguments that are passed by position and are small ints: a call costs as much as
// one of a type that is written by hand in C.
//
// The GIL stays held: releasing it would cost more than the call. Arguments are converted to
// numbers before the heap is called, because an __index__ may run any code, also on the heap.
#pragma once

#include "arguments.hpp"
#include "functions.hpp"
#include "patience.hpp"
#include "raise.hpp"
#include "small_ints.hpp"
#include "tags.hpp"

namespace glassheap::bindings {

// --- The way of a call. ------------------------------------------------------------------------

[[gnu::cold, gnu::noinline]] inline PyObject* refuse_unopened(PyObject* self) {
  set_never_opened(self);
  return nullptr;
}

// Any arguments that the signature allows, for a function that is compiled apart for them.
template <const auto& doc, auto function>
[[gnu::noinline]] PyObject* call_sorted(PyObject* self, Heap& heap, const Passed& passed) {
  Arguments<doc> arguments{};
  const Signature& signature = signature_of<doc>;
  if (!sort_arguments(signature, signature.name.data(), passed, arguments.data())) return nullptr;
  return function(self, heap, arguments);
}

// Most calls by far pass exactly the required arguments, by position.
template <const auto& doc, auto function>
PyObject* call_hot(PyObject* self, Values values, Py_ssize_t positional, PyObject* names) {
  Heap* const heap = value_in<Heap>(self);
  if (heap == nullptr) [[unlikely]]
    return refuse_unopened(self);
  constexpr std::size_t required = signature_of<doc>.required;
  if (names != nullptr || positional != Py_ssize_t{required})
    return call_sorted<doc, function>(self, *heap, {values, positional, names});
  Arguments<doc> arguments{};
  std::copy_n(values, required, arguments.begin());
  return function(self, *heap, arguments);
}

template <const auto& doc, auto function>
PyMethodDef hot() {
  return definition<doc>(call_hot<doc, function>);
}

// --- Its arguments. ----------------------------------------------------------------------------

// The arguments of a function in their order.
using OneArgument = std::array<PyObject*, 1>;
// size, align, tag, evict, timeout
using Requested = std::array<PyObject*, 5>;

// The arguments that an error may be about; null if not passed.
struct CallArguments {
  PyObject* size;
  PyObject* align;
  PyObject* pointer;
};

// Sets the error of a refused call. An offset heap returns 0 also for a payload, without a fault.
[[gnu::cold, gnu::noinline]] inline PyObject* set_refusal(PyObject* heap, const Fault& fault,
                                                          const CallArguments& given) {
  if (!fault) return PyLong_FromLong(0);
  PyObject* const other = fault.kind == FaultKind::invalid_alignment ? given.align : given.pointer;
  return set_error(fault, fault.kind == FaultKind::out_of_memory ? given.size : other, heap);
}

// The same as the functions of arguments.hpp, with a short way for small ints, on which `size` and
// `address` stay in registers.
[[gnu::always_inline]] inline bool read_hot_size(PyObject* object, const char* name,
                                                 std::uint64_t& size) {
  if (read_small_int(object, size)) [[likely]]
    return true;
  BoundedInt bounded;
  if (!read_size(object, name, bounded)) return false;
  size = bounded.value;
  return true;
}

// None is 0, which stands for no block; an offset heap has a block there, and takes no None.
[[gnu::always_inline]] inline bool read_hot_address(const Heap& heap, PyObject* object,
                                                    std::uint64_t& address) {
  if (read_small_int(object, address)) [[likely]]
    return true;
  std::uint64_t any = 0;
  if (!read_address(heap, object, any)) return false;
  address = any;
  return true;
}

// An alignment that is not given is the heap's own. None is one in an offset heap alone.
inline bool read_optional_align(const Heap& heap, PyObject* object, std::uint64_t& align) {
  align = heap.default_align();
  if (object == nullptr || (object == Py_None && !heap.has_bytes())) return true;
  return read_align(object, align);
}

// Most addresses are ints, for which the type need not be compared.
inline bool is_given_block(PyObject* object) {
  return PyLong_Check(object) == 0 && is_block(object);
}

// --- The calls that every heap has, whatever its docstrings. -----------------------------------

// with_tag() (tags.hpp) has read the tag.
[[gnu::always_inline]] inline PyObject* heap_malloc(PyObject* self, Heap& heap,
                                                    const Requested& arguments) {
  const auto [given_size, given_align, _, evict, timeout] = arguments;
  std::uint64_t size = 0;
  std::uint64_t align = 0;
  if (!read_hot_size(given_size, "size", size)) return nullptr;
  if (given_align != nullptr && !read_optional_align(heap, given_align, align)) return nullptr;
  if (is_patient(evict, timeout)) {
    if (given_align == nullptr) align = heap.default_align();
    return malloc_patiently({self, given_size, given_align, size, align, evict, timeout});
  }
  UnsetFault unset;
  const Address address = given_align == nullptr ? heap.malloc(size, unset.fault)
                                                 : heap.malloc(size, align, unset.fault);
  if (address == 0 && unset.fault) [[unlikely]]
    return set_refusal(self, unset.fault, {given_size, given_align, nullptr});
  put_context_tag(heap, address);
  return PyLong_FromUnsignedLongLong(address);
}

inline PyObject* heap_alloc(PyObject* self, Heap& heap, const Requested& arguments) {
  const auto [given_size, given_align, _, evict, timeout] = arguments;
  std::uint64_t size = 0;
  std::uint64_t align = 0;
  if (!read_hot_size(given_size, "size", size) || !read_optional_align(heap, given_align, align))
    return nullptr;
  if (is_patient(evict, timeout))
    return alloc_patiently({self, given_size, given_align, size, align, evict, timeout});
  Fault fault;
  Handle handle;
  if (!heap.acquire(size, align, handle, fault))
    return set_refusal(self, fault, {given_size, given_align, nullptr});
  put_context_tag(heap, handle.address);
  return make_block(py::reinterpret_borrow<py::object>(self), handle);
}

// Does nothing, as free(None) does, but for a heap that refuses every change.
[[gnu::cold, gnu::noinline]] inline PyObject* free_nothing(Heap& heap) {
  Fault fault;
  if (!heap.free_many({}, fault)) return set_error(fault);
  Py_RETURN_NONE;
}

[[gnu::always_inline]] inline PyObject* heap_free(PyObject* self, Heap& heap,
                                                  const OneArgument& arguments) {
  std::uint64_t address = 0;
  if (is_given_block(arguments[0])) [[unlikely]]
    return free_block(self, arguments[0]);
  if (arguments[0] == Py_None) [[unlikely]]
    return free_nothing(heap);
  if (!read_hot_address(heap, arguments[0], address)) return nullptr;
  UnsetFault unset;
  if (!heap.free(address, unset.fault)) [[unlikely]]
    return set_error(unset.fault, arguments[0]);
  Py_RETURN_NONE;
}

inline PyObject* heap_usable_size(PyObject* /*self*/, Heap& heap, const OneArgument& arguments) {
  std::uint64_t address = 0;
  if (!read_hot_address(heap, arguments[0], address)) return nullptr;
  Fault fault;
  const Size usable = heap.usable_size(address, fault);
  return fault ? set_error(fault, arguments[0]) : PyLong_FromUnsignedLongLong(usable);
}

}  // namespace glassheap::bindings
