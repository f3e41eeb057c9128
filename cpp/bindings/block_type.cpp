// block_type.cpp: Block, a handle that frees its memory itself and detects that it is stale.

#include <atomic>

#include "export.hpp"
#include "gil.hpp"
#include "raise.hpp"
#include "registry.hpp"

namespace glassheap::bindings {
namespace {

class BlockObject {
 public:
  BlockObject(py::object owner, const Handle& handle, Ownership ownership)
      : heap(value_in<Heap>(owner.ptr())),
        owner_(std::move(owner)),
        handle_(handle),
        ownership_(ownership),
        made_in_(heap->forks()) {}
  BlockObject(const BlockObject&) = delete;
  BlockObject& operator=(const BlockObject&) = delete;

  // What a child inherits by fork is its parent's. A destructor cannot raise. Misuse was raised
  // elsewhere before; corruption that is found only now is printed, as Python does for any exception
  // in a destructor.
  ~BlockObject() {
    if (freed_ || ownership_ == Ownership::borrowed || is_inherited()) return;
    const Uninterrupted uninterrupted;
    Fault fault;
    if (give_up(fault) || !is_corruption(fault.kind)) return;
    const py::error_scope keep;
    set_error(fault);
    PyErr_WriteUnraisable(owner_.ptr());
  }

  bool pin(Heap::Pinned& pinned, Fault& fault) const { return heap->pin(handle_, pinned, fault); }
  [[nodiscard]] static bool readonly() { return false; }
  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(owner_.ptr());
    return 0;
  }

  // A reference is dropped once: a second drop would drop one of another process.
  void free() {
    Fault fault;
    const bool again = freed_.exchange(true);
    if (again && is_shared())
      raise_if({.kind = FaultKind::stale_handle, .address = handle_.address});
    if (give_up(fault)) return;
    freed_ = again;
    raise_if(fault);
  }
  // A child may end inside the with statement in which its parent has forked.
  void exit() {
    if (!freed_ && !is_inherited()) free();
  }

  // Makes this one of several references to the block.
  void share() {
    const Ownership before = ownership_.exchange(Ownership::shared_ref);
    if (before == Ownership::shared_ref && !is_inherited()) return;
    try {
      add_ref(before);
      made_in_ = heap->forks();  // a child has a reference of its own now
    } catch (...) {
      ownership_ = before;
      throw;
    }
  }
  [[nodiscard]] bool is_shared() const { return ownership_ == Ownership::shared_ref; }
  // Counts one reference more.
  void add_ref(Ownership before) {
    checked([&](Fault& fault) {
      SharedHeap& shared = shared_heap();
      if (before != Ownership::owner) return shared.share(handle_, fault);
      return is_inherited() ? shared.share_inherited(handle_, fault)
                            : shared.share_own(handle_, fault);
    });
  }
  // The same for a pickled copy, which has its ticket.
  std::uint64_t send() {
    return checked([this](Fault& fault) { return shared_heap().send(handle_, fault); });
  }
  // The same for a copy of an array, which shares its block. A borrowed block has no ticket: it is
  // freed by its address.
  std::uint64_t share_and_send() {
    if (ownership_ == Ownership::borrowed) return 0;
    share();
    return send();
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
  // True in a child that was forked after the block was made.
  [[nodiscard]] bool is_inherited() const { return made_in_ != heap->forks(); }
  // Frees the block, or drops this reference to it.
  bool give_up(Fault& fault) {
    bool last = false;
    if (!is_instance<SharedHeap>(owner_.ptr())) return heap->release(handle_, fault);
    if (is_shared()) return shared_heap().drop_ref(handle_, last, fault);
    return shared_heap().release_own(handle_, fault);
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
  std::atomic<unsigned> made_in_;     // forks()
  std::atomic<bool> freed_{false};
};

// --- Properties. -------------------------------------------------------------------------------

py::object owner(const BlockObject& block) { return block.owner(); }
Address block_address(const BlockObject& block) { return block.handle().address; }
Size block_size(const BlockObject& block) { return block.handle().size; }
std::uint16_t serial(const BlockObject& block) { return block.handle().serial; }
std::uint64_t epoch(const BlockObject& block) { return block.handle().epoch; }
bool is_live(const BlockObject& block) { return block.is_live(); }
bool is_shared(const BlockObject& block) { return block.is_shared(); }

std::array block_properties = {
    property<owner>("heap", "The Heap of the block."),
    property<block_address>("address",
                            "The address of the payload, as malloc would have returned it."),
    property<block_size>("size", "The bytes asked for."),
    property<serial>("serial", "The allocation number in its heap, modulo 65,536."),
    property<epoch>("_epoch", "The number of resets of its heap before it was allocated."),
    property<is_live>("live", "True if the memory still belongs to this block. O(log n)."),
    property<is_shared>("shared", "True if share() was called."),
};

// --- Giving the memory back, and sharing it. ---------------------------------------------------

constexpr const char block_free_doc[] = R"(free($self)
--

Give the memory back.

As long as Heap.free. Raises StaleHandle if and only if it was given back before,
BufferError while a view of it lives; what Heap.free raises for overwritten bytes;
HeapDamaged, HeapClosed.)";

void free(BlockObject& block) { block.free(); }

constexpr const char share_doc[] = R"(share($self)
--

Make this Block one of several references to its memory, and return it.

For a block of a SharedHeap only. From then on free(), the end of a with statement and
collection drop the reference; the last one, in whatever process, frees the memory. A
pickled copy is a further reference, held by each process that opens it, and by this one
until it is opened. References of a process that died are dropped by SharedHeap.reap().
O(log n), and a search of at most 4096 references.

Raises TypeError if and only if its heap is not shared, StaleHandle if the memory was given
back before, TooManyReferences if 4096 are in use; HeapDamaged, HeapClosed.)";

py::handle share(py::handle self) {
  require_value<BlockObject>(self.ptr()).share();
  return self;
}

constexpr const char send_doc[] = R"(_send($self)
--

Add a reference, for a copy that is on its way, and return its ticket.)";

std::uint64_t send(BlockObject& block) { return block.send(); }

constexpr const char share_and_send_doc[] = R"(_share_and_send($self)
--

Share the block, and add a reference for a copy of an array over it; return its ticket.

0 for a Block that does not free its memory.)";

std::uint64_t share_and_send(BlockObject& block) { return block.share_and_send(); }

constexpr const char block_enter_doc[] = R"(__enter__($self)
--

Return the block itself, which the end of the with statement frees.)";

py::handle enter_block(py::handle self) { return self; }

constexpr const char block_exit_doc[] = R"(__exit__($self, kind, error, traceback, /)
--

Free the block, unless free() was called. Raises what free raises.)";

void exit_block(BlockObject& block, py::handle /*kind*/, py::handle /*error*/,
                py::handle /*traceback*/) {
  block.exit();
}

// --- Size and text. ----------------------------------------------------------------------------

constexpr const char block_len_doc[] = R"(__len__($self)
--

Return the bytes asked for.)";

constexpr const char block_repr_doc[] = R"(__repr__($self)
--

Return size, address, serial and state in angle brackets. O(log n).)";

py::str represent_block(const BlockObject& block) {
  const Handle& handle = block.handle();
  const char* const state = block.is_live() ? "" : ", stale";
  return py::str("<Block of {} bytes at {:#x}, serial {}{}>")
      .format(handle.size, handle.address, handle.serial, state);
}

std::array block_methods = {
    method<block_free_doc, free>(),
    method<share_doc, share>(),
    method<send_doc, send>(),
    method<share_and_send_doc, share_and_send>(),
    method<block_enter_doc, enter_block>(),
    method<block_exit_doc, exit_block>(),
    method<block_len_doc, block_size>(),
    method<block_repr_doc, represent_block>(),
};

// --- In the place of its address. --------------------------------------------------------------

// Throws ForeignPointer for a Block passed to another heap than its own.
void require_owner(const BlockObject& block, PyObject* heap) {
  if (block.owner().ptr() == heap) return;
  const Address address = block.handle().address;
  const auto sentence =
      py::str("the Block at {:#x} belongs to another heap: use block.heap, or block.free().")
          .format(address);
  const py::object error = error_class("ForeignPointer")(sentence);
  error.attr("address") = address;
  PyErr_SetObject(py::type::of(error).ptr(), error.ptr());
  throw py::error_already_set();
}

constexpr const char* block_doc = R"(Memory that frees itself; made by Heap.alloc.

The buffer protocol gives exactly the bytes asked for, writable: memoryview(block),
bytes(block). block[0] is a byte and block[:4] a copy of four; block[:4] = b"four" writes them.
The memory is given back when a with statement over the block ends, by free(), or when the block
is collected. A block whose memory was freed by its address, or whose heap was reset, is stale:
its uses raise StaleHandle, also after the address was handed out again, because the serial then
differs.)";

}  // namespace

PyObject* make_block(py::object heap, const Handle& handle, Ownership ownership) noexcept try {
  return make_instance(std::make_unique<BlockObject>(std::move(heap), handle, ownership));
} catch (...) {
  set_current_exception();
  return nullptr;
}

bool is_block(PyObject* object) { return is_instance<BlockObject>(object); }

Address address_of_block(PyObject* block) noexcept {
  return value_in<BlockObject>(block)->handle().address;
}

const Heap* heap_of_block(PyObject* object) {
  const BlockObject* const block = is_block(object) ? value_in<BlockObject>(object) : nullptr;
  return block == nullptr ? nullptr : block->heap;
}

py::object owner_of_block(PyObject* block) { return value_in<BlockObject>(block)->owner(); }

PyObject* free_block(PyObject* heap, PyObject* block) {
  return guarded([&] {
    auto& freed = require_value<BlockObject>(block);
    require_owner(freed, heap);
    freed.free();
  });
}

PyObject* view_block(PyObject* heap, PyObject* block) {
  return guarded([&] {
    require_owner(require_value<BlockObject>(block), heap);
    return owned(PyMemoryView_FromObject(block));
  });
}

void add_block(py::module_& module) {
  PyTypeObject* const type = make_exporter<BlockObject>("glassheap.Block", block_doc);
  add_methods(type, block_methods);
  add_properties(type, block_properties);
  add_block_items(type);
  add_dlpack(type);
  module.attr("Block") = py::handle(reinterpret_cast<PyObject*>(type));
}

}  // namespace glassheap::bindings
