// offset_type.cpp: OffsetHeap, a heap over memory that it never touches.
//
// Its value is a Heap, so it inherits every method of that type. Those whose docstring would be wrong
// are here again, most of them with the same code.

#include "hot_calls.hpp"
#include "option_table.hpp"
#include "system_errors.hpp"

namespace glassheap::bindings {

namespace {

constexpr const char offset_heap_doc[] = R"(OffsetHeap(size, **offset_options)
--

A heap over memory that it never touches: it hands out offsets, and keeps its data elsewhere.

For memory of a GPU, a file on disk, a texture atlas, pages of a cache: whatever has a size.
Offsets count from 0, and 0 is one like any other. Every method of Heap works, in bytes of that
memory, but for those that read or write it: view, calloc, array, copy, block_of, hexdump,
region, address and the buffer of a Block raise TypeError (BufferError where the buffer protocol
asks).

Args:
    size: Bytes of the memory, from a granule to 2**63, rounded down to a multiple of the
        granule, and at most 4,294,967,295 granules.
    granule: A power of two from 1 to 2**40. Every block takes a whole number of so many bytes,
        so no smaller hole is ever left.
    policy: The placement policy, by name or as a Policy, as in Heap.
    align: The alignment of a block if a call asks for none, a power of two up to a quarter of
        the size. By default a granule. If it is more, a refused malloc_many gives back the
        blocks that it had taken: the free list may then be in another order.
    threads, thread_cache: As in Heap; a thread keeps blocks of up to 64 granules.
    tags, record: As in Heap.
    fit, order, coalesce: For sequential_fit only, as in Heap.

For each granule the heap takes 16 bytes of its own memory when a block has begun there, and
at most one byte before. The policy's records of free blocks come on top. own_memory() counts
all of it, as if a block had begun at every granule. O(1).

Raises InvalidSize if and only if size is out of range, InvalidAlignment if granule or align is,
OutOfMemory if the system gives no pages, ValueError for an unknown name, for an option that
the policy does not take, and for a record with a NUL, OSError if the file of record cannot be
made or has another recorder, TypeError for an unknown option or a value of another type.)";

// The value that an error about these options is about.
py::object blamed_option(const Fault& fault, py::handle size, const py::dict& given) {
  if (fault.kind == FaultKind::no_pages) return py::reinterpret_borrow<py::object>(size);
  const char* const name = fault.kind == FaultKind::invalid_granule ? "granule" : "align";
  return given.contains(name) ? py::object(given[name]) : py::object();
}

std::unique_ptr<Heap> open_offset_heap(py::handle size, const py::dict& given) {
  Options options = read_options(given, OptionSet::offset_heap);
  if (!options.granule) options.granule = granule_size;
  options.size = require_size(size, "size");
  Fault fault;
  std::unique_ptr<Heap> heap = Heap::open(options, fault);
  raise_if_unrecorded(fault, options.record);
  raise_if(fault, blamed_option(fault, size, given).ptr());
  return heap;
}

// --- Blocks by offset. -------------------------------------------------------------------------

constexpr const char offset_malloc_doc[] =
    R"(malloc($self, size, *, align=None, tag=None, evict=None, timeout=None)
--

Allocate a block of size bytes and return its offset, which may be 0.

The block takes size rounded up to the granule, at least one (buddy: that rounded up to a
power of two). Its offset is a multiple of align, a power of two up to a quarter of the
region, by default the heap's own align, and of the granule. O(log n); O(n) in
sequential_fit, O(1) in segregated_fit, quick_fit and tlsf; O(n) in quick_fit if free blocks
must be joined first. tag, evict and timeout are as in Heap.malloc.

Raises OutOfMemory if and only if no free block can serve the request, InvalidSize if size
is negative, InvalidAlignment for any other align, ValueError and TypeError as Heap.malloc
does; what evict raises; HeapDamaged, HeapClosed.)";

constexpr const char offset_alloc_doc[] =
    R"(alloc($self, size, *, align=None, tag=None, evict=None, timeout=None)
--

Allocate size bytes and return a Block, which frees itself.

The Block has its offset as address, and no bytes. It frees them when it is collected, when
a with statement over it ends, or by its free(), and detects that it was freed. It takes as
long as malloc.

Raises what malloc raises.)";

constexpr const char offset_free_doc[] = R"(free($self, address)
--

Give back the block at that offset, and merge it with its free neighbours.

A Block is freed as by its own free(). free(None) does nothing; free(0) frees the block at
0. O(1) or O(log n); with sequential_fit O(n).

Raises DoubleFree if and only if the memory there is free already, InteriorPointer inside a
live block but not at its start, MisalignedPointer at no multiple of the granule,
ForeignPointer outside the region and for a Block of another heap, StaleHandle for a Block
whose memory was given back before; HeapError while a realloc moves the block;
FreeListCorrupted if the heap's own data was overwritten; TypeError for no integer;
HeapDamaged, HeapClosed. Whatever it raises, nothing has changed.)";

constexpr const char offset_usable_size_doc[] = R"(usable_size($self, address)
--

Return the bytes of the block at that offset: the size asked for, in whole granules.

O(log n).

Raises what free raises for a bad address; HeapClosed.)";

constexpr const char offset_realloc_doc[] =
    R"(realloc($self, address, size, *, align=None, tag=None, move=None)
--

Give the block at that offset another size in bytes, and return its new offset.

A shrinking block gives back its tail; a growing one takes the low end of its free right
neighbour if that is enough. Otherwise, or if its offset is no multiple of align, it must
move, and the heap cannot copy its bytes. So it calls move(old, new, size), once: with both
offsets, and the number of bytes to copy, the smaller of the two sizes. Both blocks are live
meanwhile, and cannot be freed. The old one is freed when move returns. If move raises, the
new one is, and the old one stays. stats() counts a move as a malloc and a free.

realloc(None, n) is malloc(n); realloc(p, 0) keeps a block of a granule. The block keeps its
age, and its tag unless another one is given. O(1) in place, else as malloc and free.

Raises MustMove if and only if the block must move and there is no move; OutOfMemory if it
must and no free block can serve, with the old block untouched; what move raises; what free
raises for a bad address; InvalidSize if size is negative; InvalidAlignment, ValueError,
TypeError, HeapDamaged, HeapClosed, as malloc does.)";

bool check_callable(PyObject* move) {
  if (!is_given(move) || PyCallable_Check(move) != 0) return true;
  PyErr_Format(PyExc_TypeError, "move must be a function of old, new and size, not %.100s.",
               Py_TYPE(move)->tp_name);
  return false;
}

// As Heap::realloc. Throws what the function raises.
Address reallocate_by(Heap& heap, Address address, Size size, Size align, PyObject* move,
                      Fault& fault) {
  if (!is_given(move)) return heap.realloc(address, size, align, fault);
  const auto call = [move](Address from, Address to, Size bytes) {
    const py::handle function(move);
    function(from, to, bytes);
  };
  return heap.realloc(address, size, align, call, fault);
}

PyObject* offset_realloc(PyObject* self, Heap& heap,
                         const Arguments<offset_realloc_doc>& arguments) noexcept try {
  const auto [given_address, given_size, given_align, _, move] = arguments;
  if (!check_callable(move)) return nullptr;
  if (given_address == Py_None) return heap_malloc(self, heap, Requested{given_size, given_align});
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint64_t align = 0;
  if (!read_hot_address(heap, given_address, address) || !read_hot_size(given_size, "size", size) ||
      !read_optional_align(heap, given_align, align))
    return nullptr;
  Fault fault;
  const Address now = reallocate_by(heap, address, size, align, move, fault);
  if (!fault) return PyLong_FromUnsignedLongLong(now);
  return set_refusal(self, fault, {given_size, given_align, given_address});
} catch (...) {
  set_current_exception();
  return nullptr;
}

std::array offset_calls = {
    hot<offset_malloc_doc, with_tag<offset_malloc_doc, heap_malloc>>(),
    hot<offset_alloc_doc, with_tag<offset_alloc_doc, heap_alloc>>(),
    hot<offset_free_doc, heap_free>(),
    hot<offset_usable_size_doc, heap_usable_size>(),
    hot<offset_realloc_doc, with_tag<offset_realloc_doc, offset_realloc>>(),
};

// --- The heap as a whole. ----------------------------------------------------------------------

constexpr const char offset_repr_doc[] = R"(__repr__($self)
--

Return size, granule, policy and state in angle brackets. Takes as long as stats().)";

py::str represent_offset_heap(Heap& heap) {
  const py::str front = py::str("<OffsetHeap of {} bytes, granule {}, {}")
                            .format(heap.size(), heap.granule(), heap.options().policy);
  Fault closed;
  const Stats s = heap.stats(closed);
  if (closed) return py::str("{}, closed>").format(front);
  return py::str("{}: {} live, {} free, {} bytes available>")
      .format(front, s.live_blocks, s.free_blocks, s.available);
}

std::array offset_methods = {method<offset_repr_doc, represent_offset_heap>()};

Size offset_granule(const Heap& heap) { return heap.granule(); }
Size offset_align(const Heap& heap) { return heap.default_align(); }

std::array offset_properties = {
    property<offset_granule>("granule",
                             "The bytes of which every offset and extent is a multiple."),
    property<offset_align>("align", "The alignment of a block if a call asks for none, in bytes."),
};

}  // namespace

void add_offset_heap(py::module_& module) {
  void* const init =
      reinterpret_cast<void*>(call_constructor<Heap, offset_heap_doc, open_offset_heap>);
  PyTypeObject* const type =
      make_type<OffsetHeapType>("glassheap.OffsetHeap", documented<offset_heap_doc>(),
                                Py_TPFLAGS_BASETYPE, {{Py_tp_init, init}}, type_object<Heap>());
  add_methods(type, offset_calls);
  add_methods(type, offset_methods);
  add_properties(type, offset_properties);
  module.attr("OffsetHeap") = py::handle(reinterpret_cast<PyObject*>(type));
}

}  // namespace glassheap::bindings
