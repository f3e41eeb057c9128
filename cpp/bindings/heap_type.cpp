// heap_type.cpp: Heap: constructor, properties, and every method that is called for its answer
// rather than for its speed. What draws is written in Python, and imported when it is called.

#include <pybind11/stl.h>

#include <algorithm>
#include <array>

#include "arguments.hpp"
#include "batches.hpp"
#include "opening.hpp"
#include "raise.hpp"

namespace glassheap::bindings {
namespace {

// Calls what may be refused, and turns the refusal into an exception.
template <typename Call>
auto checked(Call call) {
  Fault fault;
  auto result = call(fault);
  raise_if(fault);
  return result;
}

// --- Opening. ----------------------------------------------------------------------------------

std::unique_ptr<Heap> open(const py::object& size, const py::object& policy, bool headers,
                           const py::object& checks, const py::object& magic, bool zero_on_free,
                           bool threads, const py::object& base, const py::object& fit,
                           const py::object& order, std::optional<bool> coalesce) {
  Options options;
  options.size = read_bytes(size, "size");
  read_option(options, "policy", policy);
  options.headers = headers;
  read_option(options, "checks", checks);
  read_option(options, "magic", magic);
  options.zero_on_free = zero_on_free;
  options.threads = threads;
  read_option(options, "base", base);
  read_option(options, "fit", fit);
  read_option(options, "order", order);
  options.coalesce = coalesce;
  Fault fault;
  std::unique_ptr<Heap> heap = Heap::open(options, fault);
  raise_unopened(fault, options, size);
  return heap;
}

std::unique_ptr<Heap> over(const py::object& buffer, const py::kwargs& given) {
  const Options options =
      read_options(given, {"policy", "headers", "checks", "magic", "zero_on_free", "threads",
                           "base", "fit", "order", "coalesce"});
  const Borrowed bytes = borrow(buffer);
  Fault fault;
  std::unique_ptr<Heap> heap = Heap::over(bytes.span, bytes.keeper, options, fault);
  raise_unopened(fault, options, py::none());
  return heap;
}

py::list describe_policies() {
  const RecordMaker record("PolicyInfo");
  py::list list;
  for (const PolicyDescription& policy : policies())
    list.append(record(py::make_tuple(policy.name, policy.summary, policy.cost, policy.source)));
  return list;
}

// --- Looking. ----------------------------------------------------------------------------------

py::list free_list(OpenHeap heap) {
  const RecordMaker record("FreeBlock");
  py::list list;
  for (const FreeBlock& block : checked([&](Fault& fault) { return heap->free_list(fault); }))
    list.append(record(py::make_tuple(block.address, block.size)));
  return list;
}

py::object as_record(const RecordMaker& record, const BlockInfo& info) {
  return record(
      py::make_tuple(info.start, info.address, info.size, info.extent, info.live, info.serial));
}

py::list walk(OpenHeap heap) {
  const RecordMaker record("BlockInfo");
  py::list list;
  for (const BlockInfo& info : checked([&](Fault& fault) { return heap->walk(fault); }))
    list.append(as_record(record, info));
  return list;
}

py::list check(OpenHeap heap) {
  Fault fault;
  Findings findings;
  {
    const py::gil_scoped_release gil_released;
    findings = heap->check(fault);
  }
  raise_if(fault);
  const RecordMaker record("Finding");
  py::list list;
  for (const auto& [broken, culprit, text] : findings) {
    const py::object finding = record(py::make_tuple(name_of(broken.kind), name_of(broken.rule),
                                                     broken.offset, broken.expected, broken.found));
    finding.attr("_sentence") = text;
    if (culprit.extent != 0) finding.attr("culprit") = as_record(RecordMaker("BlockInfo"), culprit);
    list.append(finding);
  }
  return list;
}

py::object stats(OpenHeap heap) {
  using py::literals::operator""_a;
  const Stats s = checked([&](Fault& fault) { return heap->stats(fault); });
  return py::module_::import("glassheap.statistics")
      .attr("HeapStats")("size"_a = s.size, "live_blocks"_a = s.live_blocks,
                         "free_blocks"_a = s.free_blocks, "requested"_a = s.requested,
                         "used"_a = s.used, "available"_a = s.available,
                         "largest_free"_a = s.largest_free, "overhead"_a = s.overhead,
                         "peak_requested"_a = s.peak_requested, "peak_used"_a = s.peak_used,
                         "mallocs"_a = s.mallocs, "frees"_a = s.frees, "reallocs"_a = s.reallocs,
                         "failures"_a = s.failures, "recovered"_a = s.recovered,
                         "external_fragmentation"_a = s.external_fragmentation());
}

void print_free_list(OpenHeap heap, const py::object& file) {
  using py::literals::operator""_a;
  py::print(checked([&](Fault& fault) { return heap->free_list_line(fault); }), "file"_a = file);
}

py::iterator iterate(OpenHeap heap) {
  py::list addresses;
  for (const BlockInfo& info : checked([&](Fault& fault) { return heap->walk(fault); })) {
    if (info.live) addresses.append(info.address);
  }
  return py::iter(addresses);
}

bool contains(OpenHeap heap, const py::object& candidate) {
  std::uint64_t address = 0;
  if (!PyIndex_Check(candidate.ptr())) return false;
  if (!read_address(candidate.ptr(), address)) throw py::error_already_set();
  return checked([&](Fault& fault) { return heap->contains(address, fault); });
}

py::str represent(OpenHeap heap) {
  const Options& options = heap->options();
  Fault closed;
  const Stats s = heap->stats(closed);
  if (closed) return py::str("<Heap of {} bytes, {}, closed>").format(heap->size(), options.policy);
  return py::str("<Heap of {} bytes at {:#x}, {}: {} live, {} free, {} bytes available>")
      .format(heap->size(), heap->base(), options.policy, s.live_blocks, s.free_blocks,
              s.available);
}

// --- The type. ---------------------------------------------------------------------------------

using HeapClass = py::class_<Heap>;

constexpr const char* heap_doc =
    R"(A heap over one region of memory, every byte of which can be seen.

Args:
    size: Bytes of the region, from 16 (32 with base 0 and no headers) to 68,719,476,720, rounded up
        to a multiple of 16. It is mapped as private pages, with a page without access at either
        end.
    policy: How a free block is chosen for a request, by name or as a Policy; 'first_fit' takes the
        lowest address. policies() describes each.
    headers: Whether a header of 16 bytes stands before each payload. Without headers a block of 64
        bytes takes 64, every check but those of the header itself still holds, and the exact size
        asked for, the serial and the magic number are not kept.
    checks: 'robust' looks at every pointer, header and node that it uses. 'debug' also puts a
        redzone behind each payload, which is looked at when the block is freed, resized or checked,
        and fills free memory, which is looked at when it is handed out again or checked: a block
        takes 16 bytes more, a call time in proportion to its size, and usable_size is exactly the
        size asked for.
    magic: The 32-bit number that stands in every live block's header.
    zero_on_free: Whether the bytes of a block are cleared when it is freed.
    threads: Whether more than one thread may use the heap at a time. False saves the lock; it is
        the caller's promise then.
    base: What addresses are counted from, a multiple of 16: with 0 they are offsets into the
        region. By default the region's real address. With 0 and no headers the first 16 bytes of
        the region stay unused, so that no payload has the address 0.
    fit, order, coalesce: Of sequential_fit alone: 'first', 'best' or 'worst' fit, by default the
        first; over a list in the order 'address', 'size+', 'size-', 'front' or 'back', by default
        by address; that joins free blocks (True, the default), or never does.

Raises InvalidSize for a size out of range, ValueError for an unknown policy, for an option that the
policy does not take, and for a magic of more than 32 bits, InvalidAlignment for a base that is no
multiple of 16, OutOfMemory if the system gives no pages. Any number of threads may use one heap,
with or without the GIL.)";

void add_properties(HeapClass& type) {
  type.def_property_readonly(
          "size", [](OpenHeap heap) { return heap->size(); }, "Bytes in the region.")
      .def_property_readonly(
          "policy", [](OpenHeap heap) { return heap->options().policy; },
          "The name of the placement policy.")
      .def_property_readonly(
          "magic", [](OpenHeap heap) { return heap->options().magic; },
          "The magic number in the header of each live block.")
      .def_property_readonly(
          "base", [](OpenHeap heap) { return heap->base(); },
          "The address of the region's first byte, as this heap counts.")
      .def_property_readonly(
          "headers", [](OpenHeap heap) { return heap->options().headers; },
          "Whether a header stands before each payload.")
      .def_property_readonly(
          "checks", [](OpenHeap heap) { return level_of(heap->options()); },
          "How much the heap looks at: 'robust' or 'debug'.")
      .def_property_readonly(
          "address", [](OpenHeap heap) { return heap->address(); },
          "The real address of the region's first byte.")
      .def_property_readonly(
          "closed", [](OpenHeap heap) { return heap->closed(); }, "Whether close() was called.")
      .def_property_readonly(
          "region",
          [](py::object self) {
            PyObject* const view = make_region_view(std::move(self));
            if (view == nullptr) throw py::error_already_set();
            return py::reinterpret_steal<py::object>(view);
          },
          R"(A read-only memoryview of every byte of the region.

While it lives, close() raises BufferError. Raises HeapClosed.)");
}

void add_looking(HeapClass& type) {
  type.def("free_list", &free_list,
           R"(Return the free blocks in list order, as FreeBlock(address, size).

address is that of the node, the first byte of the free block; size is what the node offers, in
bytes. In a damaged heap the list ends at the first broken node. O(n). Raises HeapClosed.)")
      .def("walk", &walk, R"(Return every block, live and free, in address order, as BlockInfo.

The extents add up to the region, whatever state the bytes are in. O(n). Raises HeapClosed.)")
      .def("check", &check,
           R"(Verify every rule of the heap, and return what is broken, as Findings.

Headers: magic, size, seal. Nodes: size, next, prev, head. Neighbours, coverage, counters. With
checks='debug' redzones and the fill of free memory, every byte. A finding's culprit is the live
block that most likely wrote there. An empty list means a sound heap; anything else makes the heap
damaged. O(n log n), in a debug heap O(size). Raises HeapClosed.)")
      .def("_explain", &explain, "Return the message of an OutOfMemory, from its attributes.")
      .def("stats", &stats, R"(Return a HeapStats.

It takes as long as largest_free(), O(n) at most; where free blocks may touch, in buddy and
sequential_fit, those behind the last live block are passed one by one. Raises HeapClosed.)")
      .def(
          "available_memory",
          [](OpenHeap heap) {
            return checked([&](Fault& f) { return heap->available_memory(f); });
          },
          "Return the sum of the sizes in the free list, in bytes. O(1). Raises HeapClosed.")
      .def(
          "largest_free",
          [](OpenHeap heap) { return checked([&](Fault& f) { return heap->largest_free(f); }); },
          R"(Return the largest size that malloc can serve, in bytes; 0 if none, or if malloc(0) can.

O(1) in first_fit and next_fit, O(log n) in best_fit and worst_fit; O(n) in the blocks of the
highest bin that has any in segregated_fit, tlsf and buddy, and in all free blocks in
sequential_fit. Raises HeapClosed.)")
      .def(
          "own_memory",
          [](OpenHeap heap) { return checked([&](Fault& f) { return heap->own_memory(f); }); },
          R"(Return how many bytes the heap takes outside its region: block map, index, and itself.

O(1). Raises HeapClosed.)")
      .def("print_free_list", &print_free_list, py::arg("file") = py::none(),
           R"(Print the sizes in list order on one line: Free(112)->Free(3824).

To file, or standard output. Without a free block it prints (none). Raises HeapClosed.)")
      .def("__len__",
           [](OpenHeap heap) { return checked([&](Fault& f) { return heap->live_blocks(f); }); })
      .def("__bool__", [](OpenHeap) { return true; })
      .def("__contains__", &contains)
      .def("__iter__", &iterate)
      .def("__repr__", &represent);
}

void add_drawing(HeapClass& type) {
  using py::literals::operator""_a;
  const auto pictures = [](const char* name) {
    return py::module_::import("glassheap.pictures").attr(name);
  };
  type.def(
          "show",
          [pictures](const py::object& self, const py::object& file, const py::object& width) {
            pictures("show")(self, "file"_a = file, "width"_a = width);
          },
          py::kw_only(), py::arg("file") = py::none(), py::arg("width") = py::none(),
          R"(Print a map of the region, to scale: headers, payloads, rounding and free bytes.

To file, or standard output; width in columns, or what fits. Raises HeapClosed.)")
      .def(
          "hexdump",
          [pictures](const py::object& self, const py::object& address, const py::object& file) {
            pictures("hexdump")(self, address, "file"_a = file);
          },
          py::arg("address"), py::kw_only(), py::arg("file") = py::none(),
          R"(Print the bytes of the block at address, header or node and payload marked.

address is that of a payload, or of a free block. Raises ForeignPointer, MisalignedPointer or
InteriorPointer if no block has it, and HeapClosed.)")
      .def(
          "_repr_html_", [pictures](const py::object& self) { return pictures("to_html")(self); },
          "Return the map as an inline SVG, for notebooks.");
}

void add_managing(HeapClass& type) {
  type.def("malloc_many", &malloc_many, py::arg("sizes"),
           R"(Allocate a block for each of sizes, and return their addresses as an array('Q').

sizes is any buffer of integers, or a sequence, of sizes in bytes. The addresses are those that as
many calls of malloc would give. It succeeds whole or changes nothing. The GIL is released.

Raises what malloc raises.)")
      .def("free_many", &free_many, py::arg("addresses"),
           R"(Give back the block at each of addresses.

addresses is any buffer of integers, or a sequence; None and 0 are passed over. It succeeds whole or
changes nothing; an address that comes twice is a DoubleFree. The GIL is released.

Raises what free raises.)")
      .def(
          "reset",
          [](OpenHeap heap) {
            Fault fault;
            heap->reset(fault);
            raise_if(fault);
          },
          R"(Free every block, whatever state the heap is in: it is as new, and not damaged.

Addresses handed out before are refused until they are handed out again; a Block is stale. O(n).
Raises BufferError while a view of a block lives, and HeapClosed.)")
      .def(
          "close",
          [](OpenHeap heap) {
            Fault fault;
            heap->close(fault);
            raise_if(fault);
          },
          R"(Give the region back to the system; every later use raises HeapClosed.

Closing twice does nothing. Raises BufferError while a view of a block, or of the region, lives.)")
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](OpenHeap heap, const py::args&) {
        Fault fault;
        heap->close(fault);
        raise_if(fault);
      });
}

}  // namespace

RecordMaker::RecordMaker(const char* name)
    : type_(py::module_::import("glassheap.records").attr(name)) {}

// tuple.__new__(type, fields): a named tuple without the detour over its Python-level __new__.
py::object RecordMaker::operator()(const py::tuple& fields) const {
  const py::tuple arguments = py::make_tuple(fields);
  auto* const type = reinterpret_cast<PyTypeObject*>(type_.ptr());
  auto made =
      py::reinterpret_steal<py::object>(PyTuple_Type.tp_new(type, arguments.ptr(), nullptr));
  if (!made) throw py::error_already_set();
  return made;
}

// noconvert: nothing but True and False is either; whoever passes a number meant another option.
void add_heap(py::module_& module) {
  HeapClass type(module, "Heap", heap_doc);
  type.def(py::init(&open), py::arg("size") = 4096, py::kw_only(), py::arg("policy") = "first_fit",
           py::arg("headers").noconvert().none(false) = true, py::arg("checks") = "robust",
           py::arg("magic") = 0xDEADBEEF, py::arg("zero_on_free").noconvert().none(false) = false,
           py::arg("threads").noconvert().none(false) = true, py::arg("base") = py::none(),
           py::arg("fit") = py::none(), py::arg("order") = py::none(),
           py::arg("coalesce").noconvert() = py::none());
  type.def_static("over", &over, py::arg("buffer"),
                  R"(Open a heap inside a writable, contiguous buffer.

bytearray, array, mmap, SharedMemory.buf, a NumPy array, a ctypes array, or a memoryview of one. The
region is the largest whole number of granules of 16 bytes in it, less a last one, whose bytes
check() watches: a write behind the region is OverflowDetected. No byte of the buffer outside of
these is ever written. The buffer is held, and so cannot be resized or closed, until close().

The options are those of Heap, but for size. O(size of the index).

Raises BufferError for a buffer that cannot be written or is not contiguous, TypeError for what has
no buffer, InvalidSize for one that is too small, and what Heap raises.)");
  add_properties(type);
  add_looking(type);
  add_drawing(type);
  add_managing(type);
  add_hot_methods(type);
  module.def("policies", &describe_policies,
             R"(Return a PolicyInfo for each placement policy, the default first.

name is what Heap takes as policy; summary is one line; cost says what malloc and free take; source
is where the policy is from.)");
}

}  // namespace glassheap::bindings
