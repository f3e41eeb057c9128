// numpy.cpp: NumPy's memory handler over a heap.
//
// NumPy takes the memory of its arrays from a handler (NEP 49): a capsule with four functions and
// their context, which here is the heap. Each array keeps the capsule of the handler that it was
// made with, and returns its memory to that one. The capsule keeps the heap alive, so a heap
// outlives its arrays.
//
// NumPy may call from any thread, with the GIL or without it. So the four functions do not touch
// Python: they call the C++ heap, which has its own lock. The block of an array is pinned, as by a
// view: it cannot be freed by its address, and its heap can neither be reset nor closed.
//
// NumPy's headers are not needed to build this. The struct below is documented and versioned; the
// function that sets a handler has a fixed place in a table that only grows.

#include <algorithm>
#include <array>
#include <cstring>

#include "functions.hpp"
#include "gil.hpp"
#include "raise.hpp"
#include "tags.hpp"

namespace glassheap::bindings {
namespace {

// PyDataMem_Handler, version 1.
struct Handler {
  char name[127] = "glassheap";
  std::uint8_t version = 1;
  Heap* heap;
  void* (*malloc)(void* heap, std::size_t size);
  void* (*calloc)(void* heap, std::size_t count, std::size_t size);
  void* (*realloc)(void* heap, void* data, std::size_t size);
  void (*free)(void* heap, void* data, std::size_t size);
};

constexpr const char* capsule_name = "mem_handler";  // the name that NumPy requires
constexpr std::size_t place_of_set_handler = 304;    // in the table of NumPy's C API, since 1.22

Heap& heap_in(void* context) { return *static_cast<Heap*>(context); }

// A cache line, which is also the width of the widest vector loads.
Size align_in(const Heap& heap) { return std::min(Size{64}, heap.align_limit()); }

Address address_of(const Heap& heap, const void* data) {
  return reinterpret_cast<Address>(data) - heap.address() + heap.base();
}

void* pointer_to(const Heap& heap, Address payload) {
  if (payload == 0) return nullptr;
  return reinterpret_cast<void*>(payload - heap.base() + heap.address());
}

// Null for any refusal: NumPy raises MemoryError. So a signal handler must not raise here.
void* handler_malloc(void* context, std::size_t size) noexcept {
  const Uninterrupted uninterrupted;
  Heap& heap = heap_in(context);
  Fault refused;
  Handle handle;
  Heap::Pinned pinned;
  const bool has_context = PyGILState_Check() != 0;
  const Announcement announced(heap, has_context ? context_tag_to_record(heap) : TagId{0});
  if (!heap.acquire(size, align_in(heap), handle, refused)) return nullptr;
  if (has_context) put_context_tag(heap, handle.address);
  try {
    if (heap.pin(handle, pinned, refused)) return pinned.data;
  } catch (const std::bad_alloc&) {  // no memory to remember the pin
    heap.release(handle, refused);
  }
  return nullptr;
}

void* handler_calloc(void* context, std::size_t count, std::size_t size) noexcept {
  std::size_t total = 0;
  if (__builtin_mul_overflow(count, size, &total)) return nullptr;
  void* const data = handler_malloc(context, total);
  return data == nullptr ? nullptr : std::memset(data, 0, total);
}

// The array that a child inherits by fork is its parent's too: the parent keeps the block.
void* copy_of_inherited(Heap& heap, void* data, std::size_t size) noexcept {
  Fault refused;
  const Address payload = address_of(heap, data);
  const Size usable = heap.usable_size(payload, refused);
  void* const copy = refused ? nullptr : handler_malloc(&heap, size);
  if (copy == nullptr) return nullptr;
  std::memcpy(copy, data, std::min(size, usable));
  heap.unpin_at(payload);
  return copy;
}

void* handler_realloc(void* context, void* data, std::size_t size) noexcept {
  if (data == nullptr) return handler_malloc(context, size);
  const Uninterrupted uninterrupted;
  Heap& heap = heap_in(context);
  Fault refused;
  if (!heap.allocated_here(address_of(heap, data))) return copy_of_inherited(heap, data, size);
  return pointer_to(heap,
                    heap.realloc_pinned(address_of(heap, data), size, align_in(heap), refused));
}

// NumPy takes no error here. If damage is found, the heap's next call reports it.
void handler_free(void* context, void* data, std::size_t /*size*/) noexcept {
  if (data == nullptr) return;
  const Uninterrupted uninterrupted;
  Heap& heap = heap_in(context);
  const Address payload = address_of(heap, data);
  Fault refused;
  if (heap.allocated_here(payload)) {
    heap.free_pinned(payload, refused);
  } else {
    heap.unpin_at(payload);
  }
}

void delete_handler(PyObject* capsule) {
  delete static_cast<Handler*>(PyCapsule_GetPointer(capsule, capsule_name));
  Py_XDECREF(static_cast<PyObject*>(PyCapsule_GetContext(capsule)));
}

constexpr const char handler_doc[] = R"(_numpy_handler(heap, /)
--

Return a NumPy memory handler over a heap.)";

py::object make_handler(py::handle object) {
  if (!is_instance<Heap>(object.ptr()))
    throw py::type_error("NumPy's memory can come from a Heap, not from " +
                         std::string(Py_TYPE(object.ptr())->tp_name) + ".");
  Heap& heap = require_value<Heap>(object.ptr());
  require_open(heap);
  require_bytes(heap);
  auto handler = std::make_unique<Handler>(Handler{.heap = &heap,
                                                   .malloc = handler_malloc,
                                                   .calloc = handler_calloc,
                                                   .realloc = handler_realloc,
                                                   .free = handler_free});
  py::object capsule = owned(PyCapsule_New(handler.get(), capsule_name, delete_handler));
  handler.release();
  PyCapsule_SetContext(capsule.ptr(), object.inc_ref().ptr());
  return capsule;
}

constexpr const char set_handler_doc[] = R"(_set_numpy_handler(api, handler, /)
--

Set NumPy's memory handler, and return the previous one. api is NumPy's _ARRAY_API.)";

py::object set_handler(py::handle api, py::handle handler) {
  auto* const table = static_cast<void**>(PyCapsule_GetPointer(api.ptr(), nullptr));
  if (table == nullptr) throw py::error_already_set();
  const auto set = reinterpret_cast<PyObject* (*)(PyObject*)>(table[place_of_set_handler]);
  return owned(set(handler.ptr()));
}

std::array numpy_functions = {
    module_function<handler_doc, make_handler>(),
    module_function<set_handler_doc, set_handler>(),
};

}  // namespace

void add_numpy(py::module_& module) { add_functions(module, numpy_functions); }

}  // namespace glassheap::bindings
