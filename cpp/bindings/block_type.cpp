// block_type.cpp: Block, a handle that frees its memory itself and knows when it is stale.

#include <atomic>

#include "export.hpp"
#include "raise.hpp"

namespace glassheap::bindings {
namespace {

class Block {
 public:
  Block(py::object heap_object, const Handle& handle, Ownership hold)
      : heap(heap_of(heap_object.ptr())),
        owner_(std::move(heap_object)),
        handle_(handle),
        ownership_(hold) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  // Nobody is there to catch an exception: misuse has been raised elsewhere, and corruption that is
  // found only now is printed, as Python does for any exception in a destructor.
  ~Block() {
    if (freed_ || ownership_ == Ownership::none) return;
    Fault fault;
    if (give_back(fault) || !is_corruption(fault.kind)) return;
    const py::error_scope keep;
    set_error(fault);
    PyErr_WriteUnraisable(owner_.ptr());
  }

  bool pin(Heap::Pinned& pinned, Fault& fault) const { return heap->pin(handle_, pinned, fault); }
  [[nodiscard]] static bool readonly() { return false; }

  void free() {
    Fault fault;
    give_back(fault);
    raise_if(fault);
    freed_ = true;
  }
  void leave() {
    if (!freed_) free();
  }
  // From now on one of several that hold on to it.
  void share() {
    Fault fault;
    if (ownership_ != Ownership::shared) shared_heap().share(handle_, fault);
    raise_if(fault);
    ownership_ = Ownership::shared;
  }
  // One hold more, for whoever receives it.
  void send() {
    Fault fault;
    shared_heap().share(handle_, fault);
    raise_if(fault);
  }
  [[nodiscard]] bool is_shared() const { return ownership_ == Ownership::shared; }

  [[nodiscard]] bool is_live() const {
    Fault ignored;  // any reason is a no
    return heap->is_current(handle_, ignored);
  }
  [[nodiscard]] const py::object& owner() const { return owner_; }
  [[nodiscard]] const Handle& handle() const { return handle_; }

  Heap* heap;
  py::object given;  // nobody gave an address: the block knows its own

 private:
  bool give_back(Fault& fault) {
    bool last = false;
    if (ownership_ == Ownership::shared) return shared_heap().drop_ref(handle_, last, fault);
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
  Ownership ownership_;
  std::atomic<bool> freed_{false};  // without the GIL, two threads may free one Block
};

py::str represent(const Block& block) {
  const Handle& handle = block.handle();
  const char* const state = block.is_live() ? "" : ", stale";
  return py::str("<Block of {} bytes at {:#x}, serial {}{}>")
      .format(handle.size, handle.address, handle.serial, state);
}

}  // namespace

PyObject* make_block(py::object heap, const Handle& handle, Ownership hold) {
  return py::cast(std::make_unique<Block>(std::move(heap), handle, hold)).release().ptr();
}

void add_block(py::module_& module) {
  py::class_<Block>(module, "Block", exporting<Block>(), py::is_final(),
                    R"(Memory that frees itself; made by Heap.alloc.

The buffer protocol gives exactly the bytes asked for, writable: memoryview(block), bytes(block). The
memory is given back when a with statement over the block ends, by free(), or when the block is
collected. A block whose memory was freed by its address, or whose heap was reset, is stale: its uses
raise StaleHandle, also after the address was handed out again (told by the allocation's serial).)")
      .def("free", &Block::free, R"(Give the memory back.

Raises StaleHandle if it was given back before, BufferError while a view of it lives, BadMagic,
HeaderCorrupted or FreeListCorrupted as Heap.free does, HeapDamaged, HeapClosed.)")
      .def_property_readonly(
          "heap", [](const Block& block) { return block.owner(); }, "The Heap it is from.")
      .def_property_readonly(
          "address", [](const Block& block) { return block.handle().address; },
          "The address of the payload, as malloc would have returned it.")
      .def_property_readonly(
          "size", [](const Block& block) { return block.handle().size; }, "Bytes asked for.")
      .def_property_readonly(
          "serial", [](const Block& block) { return block.handle().serial; },
          "The how-manieth allocation of its heap it is, modulo 65,536.")
      .def_property_readonly("_epoch", [](const Block& block) { return block.handle().epoch; })
      .def_property_readonly("live", &Block::is_live, "Whether the memory is still this block's.")
      .def(
          "share",
          [](Block& block) -> Block& {
            block.share();
            return block;
          },
          py::return_value_policy::reference,
          R"(Hold on to the block as one of several, and return it; of a SharedHeap alone.

From then on free(), the end of a with statement and being collected let go of it; the last holder,
in whatever process, frees it. A copy that is pickled is a holder more: the one who opens it. What a
process held that died is let go of by SharedHeap.reap(). Raises StaleHandle, TypeError for a block
of another kind of heap, HeapError if 4096 blocks are held already, HeapDamaged, HeapClosed.)")
      .def_property_readonly("shared", &Block::is_shared, "Whether share() was called.")
      .def("_send", &Block::send, "Hold once more, for a copy that is on its way.")
      .def("__reduce__",
           [](const py::object& self) {
             return py::module_::import("glassheap.shared").attr("reduce_block")(self);
           })
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](Block& block, const py::args&) { block.leave(); })
      .def("__len__", [](const Block& block) { return block.handle().size; })
      .def("__repr__", &represent);
}

}  // namespace glassheap::bindings
