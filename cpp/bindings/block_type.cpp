// block_type.cpp: Block, a handle that frees its memory itself and detects that it is stale.

#include <atomic>

#include "export.hpp"
#include "raise.hpp"
#include "registry.hpp"

namespace glassheap::bindings {
namespace {

class BlockObject {
 public:
  BlockObject(py::object owner, const Handle& handle, Ownership ownership)
      : heap(heap_of(owner.ptr())),
        owner_(std::move(owner)),
        handle_(handle),
        ownership_(ownership) {}
  BlockObject(const BlockObject&) = delete;
  BlockObject& operator=(const BlockObject&) = delete;

  // A destructor cannot raise. Misuse was raised elsewhere before; corruption that is found only
  // now is printed, as Python does for any exception in a destructor.
  ~BlockObject() {
    if (freed_ || ownership_ == Ownership::borrowed) return;
    Fault fault;
    if (give_up(fault) || !is_corruption(fault.kind)) return;
    const py::error_scope keep;
    set_error(fault);
    PyErr_WriteUnraisable(owner_.ptr());
  }

  bool pin(Heap::Pinned& pinned, Fault& fault) const { return heap->pin(handle_, pinned, fault); }
  [[nodiscard]] static bool readonly() { return false; }

  void free() {
    checked([this](Fault& fault) { return give_up(fault); });
    freed_ = true;
  }
  void exit() {
    if (!freed_) free();
  }

  // Makes this one of several references to the block.
  void share() {
    const Ownership before = ownership_.exchange(Ownership::shared_ref);
    if (before == Ownership::shared_ref) return;
    try {
      add_ref();
    } catch (...) {
      ownership_ = before;
      throw;
    }
  }
  [[nodiscard]] bool is_shared() const { return ownership_ == Ownership::shared_ref; }
  // Counts one reference more.
  void add_ref() {
    checked([this](Fault& fault) { return shared_heap().share(handle_, fault); });
  }

  [[nodiscard]] bool is_live() const {
    Fault ignored;
    return heap->is_current(handle_, ignored);
  }
  [[nodiscard]] const py::object& owner() const { return owner_; }
  [[nodiscard]] const Handle& handle() const { return handle_; }

  Heap* heap;
  py::object given;  // empty: no address was passed, the block has its own

 private:
  // Frees the block, or drops this reference to it.
  bool give_up(Fault& fault) {
    bool last = false;
    if (is_shared()) return shared_heap().drop_ref(handle_, last, fault);
    return heap->release(handle_, fault);
  }
  [[nodiscard]] SharedHeap& shared_heap() const {
    auto* const shared = dynamic_cast<SharedHeap*>(heap);
    if (shared == nullptr)
      throw py::type_error("only a block of a SharedHeap can be held by several processes.");
    return *shared;
  }

  py::object owner_;
  Handle handle_;
  std::atomic<Ownership> ownership_;  // without the GIL, two threads may share or free one Block
  std::atomic<bool> freed_{false};
};

BlockObject& share(BlockObject& block) {
  block.share();
  return block;
}

py::str represent_block(const BlockObject& block) {
  const Handle& handle = block.handle();
  const char* const state = block.is_live() ? "" : ", stale";
  return py::str("<Block of {} bytes at {:#x}, serial {}{}>")
      .format(handle.size, handle.address, handle.serial, state);
}

// --- Its bytes by index and by slice, as in a bytearray. ---------------------------------------

py::object get_item(const py::object& self, const py::object& key) {
  const py::memoryview view(self);
  py::object item = view[key];
  if (!py::isinstance<py::memoryview>(item)) return item;
  auto copy = py::reinterpret_steal<py::object>(PyBytes_FromObject(item.ptr()));
  if (!copy) throw py::error_already_set();
  return copy;
}

void set_item(const py::object& self, const py::object& key, const py::object& value) {
  py::memoryview view(self);
  view[key] = value;
}

// --- In the place of its address. --------------------------------------------------------------

// A Block passed to another heap than its own: sets ForeignPointer, and returns false.
bool require_owner(const BlockObject& block, PyObject* heap) {
  if (block.owner().ptr() == heap) return true;
  const Address address = block.handle().address;
  const auto sentence =
      py::str("the Block at {:#x} belongs to another heap: use block.heap, or block.free().")
          .format(address);
  const py::object error = error_class("ForeignPointer")(sentence);
  error.attr("address") = address;
  PyErr_SetObject(py::type::of(error).ptr(), error.ptr());
  return false;
}

using BlockClass = py::class_<BlockObject>;

constexpr const char* block_doc = R"(Memory that frees itself; made by Heap.alloc.

The buffer protocol gives exactly the bytes asked for, writable: memoryview(block), bytes(block).
block[0] is a byte and block[:4] a copy of four; block[:4] = b"four" writes them.
The memory is given back when a with statement over the block ends, by free(), or when the block is
collected. A block whose memory was freed by its address, or whose heap was reset, is stale: its
uses raise StaleHandle, also after the address was handed out again, because the serial then
differs.)";

void add_properties(BlockClass& type) {
  type.def_property_readonly(
          "heap", [](const BlockObject& block) { return block.owner(); }, "The Heap of the block.")
      .def_property_readonly(
          "address", [](const BlockObject& block) { return block.handle().address; },
          "The address of the payload, as malloc would have returned it.")
      .def_property_readonly(
          "size", [](const BlockObject& block) { return block.handle().size; }, "Bytes asked for.")
      .def_property_readonly(
          "serial", [](const BlockObject& block) { return block.handle().serial; },
          "The allocation number in its heap, modulo 65,536.")
      .def_property_readonly("_epoch",
                             [](const BlockObject& block) { return block.handle().epoch; })
      .def_property_readonly("live", &BlockObject::is_live,
                             "True if the memory still belongs to this block.")
      .def_property_readonly("shared", &BlockObject::is_shared, "True if share() was called.");
}

void add_methods(BlockClass& type) {
  type.def("free", &BlockObject::free, R"(Give the memory back.

Raises StaleHandle if it was given back before, BufferError while a view of it lives, BadMagic,
HeaderCorrupted or FreeListCorrupted as Heap.free does, HeapDamaged, HeapClosed.)")
      .def("share", &share, py::return_value_policy::reference,
           R"(Make this Block one of several references to its memory, and return it.

For a block of a SharedHeap only. From then on free(), the end of a with statement and collection
drop the reference; the last one, in whatever process, frees the memory. A pickled copy is a further
reference, held by the process that opens it. References of a process that died are dropped by
SharedHeap.reap().

Raises StaleHandle, TypeError for a block of another kind of heap, HeapError if 4096 blocks are held
already, HeapDamaged, HeapClosed.)")
      .def("_send", &BlockObject::add_ref, "Add a reference, for a copy that is on its way.")
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](BlockObject& block, const py::args&) { block.exit(); })
      .def("__getitem__", &get_item)
      .def("__setitem__", &set_item)
      .def("__len__", [](const BlockObject& block) { return block.handle().size; })
      .def("__repr__", &represent_block);
}

}  // namespace

PyObject* make_block(py::object heap, const Handle& handle, Ownership ownership) {
  return py::cast(std::make_unique<BlockObject>(std::move(heap), handle, ownership))
      .release()
      .ptr();
}

bool is_block(PyObject* object) { return py::isinstance<BlockObject>(object); }

PyObject* free_block(PyObject* heap, PyObject* block) try {
  auto& freed = py::cast<BlockObject&>(py::handle(block));
  if (!require_owner(freed, heap)) return nullptr;
  freed.free();
  Py_RETURN_NONE;
} catch (py::error_already_set& error) {
  error.restore();
  return nullptr;
}

PyObject* view_block(PyObject* heap, PyObject* block) try {
  if (!require_owner(py::cast<const BlockObject&>(py::handle(block)), heap)) return nullptr;
  return PyMemoryView_FromObject(block);
} catch (py::error_already_set& error) {
  error.restore();
  return nullptr;
}

void add_block(py::module_& module) {
  BlockClass type(module, "Block", exporting<BlockObject>(), py::is_final(), block_doc);
  add_properties(type);
  add_methods(type);
}

}  // namespace glassheap::bindings
