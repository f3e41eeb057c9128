// heap_type.cpp: Heap: construction, properties, reset and close.

#include "arguments.hpp"
#include "buffers.hpp"
#include "functions.hpp"
#include "option_table.hpp"
#include "raise.hpp"
#include "registry.hpp"
#include "system_errors.hpp"

namespace glassheap::bindings {
namespace {

constexpr const char heap_doc[] =
    R"(Heap(size=4096, **options)
--

A heap over one region of memory, every byte of which can be inspected.

Args:
    size: Bytes of the region, from 16 (32 with base 0 and no headers) to 68,719,476,720,
        rounded up to a multiple of 16. The region is mapped as private pages, with an
        inaccessible page at either end.
    policy: The placement policy, by name or as a Policy: it chooses the free block for a
        request. 'first_fit' takes the lowest address. policies() describes each.
    headers: True if a header of 16 bytes precedes each payload. Without headers a block of 64
        bytes takes 64, every check but those of the header itself still holds, and the exact
        size asked for, the serial and the magic number are not kept.
    checks: 'robust' verifies every pointer, header and node that a call uses. 'debug' also puts
        a redzone behind each payload, verified when the block is freed, resized or checked, and
        fills free memory, verified when it is allocated again or checked: a block takes 16
        bytes more, a call takes time in proportion to its size, and usable_size is exactly the
        size asked for.
    magic: The 32-bit number in the header of every live block.
    zero_on_free: True to clear the bytes of a block when it is freed.
    threads: True if several threads may use the heap at a time. False saves the lock; the
        caller then promises that they do not.
    thread_cache: True to let each thread keep small blocks that it frees, up to 1 KiB each, and
        get them back from malloc without the lock: for threads that run at the same time. Every
        check and report holds as without it: a kept block is free for each of them. The block
        that a malloc gets depends on the threads then, peaks count kept blocks as live, and the
        heap takes a 16th of its size more of its own memory. Not with zero_on_free,
        checks='debug' or record.
    base: The address of the region's first byte, a multiple of 16: with 0, addresses are
        offsets into the region. By default the region's real address. With 0 and no headers the
        first 16 bytes of the region stay unused, so that no payload has the address 0.
    huge_pages: True to ask the system for pages of 2 MiB, in a region of that size or more. The
        first write to each then takes 2 MiB, and a large region is filled faster. By default
        memory that is not written is not taken. Not for Heap.over.
    quarantine: With checks='debug', the bytes of freed blocks that wait, first in, first out,
        before they are handed out again. Until then a second free is DoubleFree, and a late
        write is WriteAfterFree, at check() or when the block leaves. They wait no longer than
        until memory is short: OutOfMemory means that none is left. stats().quarantined has
        their bytes.
    tags: True to note when each block is handed out, and its tag: the argument tag of the calls
        that allocate, or that of `with heap.tagged(tag)`. by_tag(), oldest() and report() tell
        them. A malloc takes a few nanoseconds more, and the heap 8 bytes of its own memory for
        each 16 of the region that blocks begin in. False, the default, begins with the first
        tag that is given.
    record: The path of a file that gets every malloc, realloc and free: its size, alignment,
        tag, thread, time and result; also a request that finds no memory. glassheap.traces.read
        and the commands read it. It is compressed, and whole at any time, also when the program
        is killed. An earlier recording of this name is replaced when the heap is open, no other
        file. A full disk ends the recording, with a line on stderr, and not the program. A
        forked child records nothing. A call takes at most 100 nanoseconds more. Not with
        thread_cache.
    fit, order, coalesce: For sequential_fit only: 'first', 'best' or 'worst' fit, by default
        first; over a list in the order 'address', 'size+', 'size-', 'front' or 'back', by
        default by address; free neighbours are merged (True, the default), or never.

O(1), and with checks='debug' O(size): the system gives each page when it is first used.

Raises InvalidSize if and only if size is out of range, InvalidAlignment if base is no multiple
of 16, OutOfMemory if the system gives no pages, ValueError for an unknown name, for an option
that the policy does not take, for a magic of more than 32 bits, and for a record with a NUL,
OSError if the file of record cannot be made or has another recorder, TypeError for an unknown
option or a value of another type.

Any number of threads may use one heap, with or without the GIL. A method that changes the heap
raises HeapDamaged if and only if overwritten bytes were found since the last reset(); every
method that needs the region raises HeapClosed if and only if close() was called.)";

// --- Construction. -----------------------------------------------------------------------------

std::unique_ptr<Heap> open(py::handle size, const py::dict& given) {
  Options options = read_options(given, OptionSet::heap);
  if (size) options.size = require_size(size, "size");
  Fault fault;
  std::unique_ptr<Heap> heap = Heap::open(options, fault);
  raise_if_unrecorded(fault, options.record);
  // Of these faults, no_pages alone is about the size as it was given.
  raise_if(fault, fault.kind == FaultKind::no_pages ? size.ptr() : nullptr);
  return heap;
}

constexpr const char over_doc[] = R"(over(buffer, **options)
--

Open a heap inside a writable, contiguous buffer.

The buffer is a bytearray, array, mmap, SharedMemory.buf, NumPy or ctypes array, or a
memoryview of one. The region is the largest whole number of granules of 16 bytes in it,
less a last one, whose bytes check() verifies: a write behind the region is
OverflowDetected. With base, the region begins where base and the real address agree
modulo 64 (4096 from 256 KiB on); a larger align may be refused. No byte of the buffer
outside of these is ever written. The buffer is held, and so cannot be resized or closed,
until close().

The options are those of Heap, but for size. O(1), and with checks='debug' O(size).

Raises BufferError if and only if the buffer is read-only or not contiguous, TypeError for
an object without a buffer, InvalidSize for a buffer that is too small, RegionInUse if an
open heap of this process lies over some of the bytes and has not handed them out in a live
block, and what Heap raises.)";

std::unique_ptr<Heap> over(py::handle buffer, const py::dict& given) {
  const Options options = read_options(given, OptionSet::heap);
  const BorrowedBuffer borrowed = borrow(buffer);
  const Heap* const outer = heap_around(py::reinterpret_borrow<py::object>(buffer));
  return checked([&](Fault& fault) {
    auto heap = Heap::over(borrowed.bytes, borrowed.keeper, options, fault, outer);
    raise_if_unrecorded(fault, options.record);
    return heap;
  });
}

// --- Properties. -------------------------------------------------------------------------------

Size heap_size(const Heap& heap) { return heap.size(); }
std::string policy(const Heap& heap) { return heap.options().policy; }
std::uint32_t magic(const Heap& heap) { return heap.options().magic; }
Address base(const Heap& heap) { return heap.base(); }
bool headers(const Heap& heap) { return heap.options().headers; }
std::string_view checks(const Heap& heap) { return name_of(heap.options().checks); }
Size granule(const Heap& heap) { return heap.granule(); }
Address heap_address(const Heap& heap) {
  require_bytes(heap);
  return heap.address();
}
bool closed(Heap& heap) { return heap.closed(); }

py::object region(py::handle self) {
  require_bytes(require_value<Heap>(self.ptr()));
  return owned(make_region_view(py::reinterpret_borrow<py::object>(self)));
}

std::array heap_properties = {
    property<heap_size>("size", "The bytes of the region, a multiple of 16."),
    property<policy>("policy", "The name of the placement policy."),
    property<headers>("headers", "True if a header of 16 bytes precedes each payload."),
    property<checks>("checks", "The extent of the checks: 'robust' or 'debug'."),
    property<magic>("magic", "The magic number in the header of each live block, of 32 bits."),
    property<base>("base", "The address of the region's first byte, from which this heap counts."),
    property<heap_address>("address", "The real address of the region's first byte."),
    property<granule>("granule", "The bytes of which every extent is a multiple: 16."),
    property<closed>("closed", "True if close() was called."),
    property<region>("region", R"(A read-only memoryview of every byte of the region.

While it lives, close() raises BufferError. O(1). Raises HeapClosed.)"),
};

// --- Reset and close. --------------------------------------------------------------------------

constexpr const char reset_doc[] = R"(reset($self)
--

Free every block, whatever state the heap is in: it is as new, and not damaged.

Addresses handed out before are refused until they are handed out again; a Block is stale.
O(n).

Raises BufferError if and only if a view of a block lives; HeapClosed.)";

void reset(Heap& heap) {
  checked([&](Fault& fault) { return heap.reset(fault); });
}

constexpr const char close_doc[] = R"(close($self)
--

Give the region back to the system; every later use raises HeapClosed.

Closing twice does nothing. O(1).

Raises BufferError if and only if a view of a block, or of the region, lives.)";

void close(Heap& heap) {
  checked([&](Fault& fault) { return heap.close(fault); });
}

constexpr const char heap_enter_doc[] = R"(__enter__($self)
--

Return the heap itself, which the end of the with statement closes.

Raises HeapClosed if and only if close() was called.)";

py::handle enter_heap(py::handle self) {
  require_open(require_value<Heap>(self.ptr()));
  return self;
}

constexpr const char heap_exit_doc[] = R"(__exit__($self, kind, error, traceback, /)
--

Close the heap. Raises what close raises.)";

void exit_heap(Heap& heap, py::handle /*kind*/, py::handle /*error*/, py::handle /*traceback*/) {
  close(heap);
}

constexpr const char reduce_doc[] = R"(__reduce__($self)
--

Refuse to pickle or copy the heap: a copy would free the same blocks again.

Raises TypeError.)";

void reduce(py::handle self) {
  const std::string name = short_name(Py_TYPE(self.ptr()));
  throw py::type_error("cannot pickle or copy a " + name +
                       ", which is memory of this process: a SharedHeap can travel.");
}

std::array heap_methods = {
    static_method<over_doc, over>(),    method<reset_doc, reset>(),
    method<close_doc, close>(),         method<heap_enter_doc, enter_heap>(),
    method<heap_exit_doc, exit_heap>(), method<reduce_doc, reduce>(),
};

// --- Policies. ---------------------------------------------------------------------------------

constexpr const char policies_doc[] = R"(policies()
--

Return a PolicyInfo for each placement policy, the default first.

name is the value for Heap's option policy; summary is one line; cost is that of malloc and
free; source names the policy's origin.)";

py::list describe_policies() {
  const RecordMaker record("PolicyInfo");
  py::list list;
  for (const PolicyDescription& policy : policies())
    list.append(record(py::make_tuple(policy.name, policy.summary, policy.cost, policy.source)));
  return list;
}

std::array policy_functions = {module_function<policies_doc, describe_policies>()};

}  // namespace

void add_heap(py::module_& module) {
  PyTypeObject* const type =
      make_constructible<Heap, heap_doc, open>("glassheap.Heap", Py_TPFLAGS_BASETYPE);
  add_methods(type, heap_methods);
  add_properties(type, heap_properties);
  add_reports(type);
  add_owners(type);
  add_batches(type);
  add_block_lookup(type);
  add_eviction(type);
  add_hot_methods(type);
  module.attr("Heap") = py::handle(reinterpret_cast<PyObject*>(type));
}

void add_policies(py::module_& module) { add_functions(module, policy_functions); }

}  // namespace glassheap::bindings
