// heap_reports.cpp: Heap: lists of blocks, findings, the cause of a shortage, statistics.

#include <pybind11/stl.h>

#include "arguments.hpp"
#include "raise.hpp"
#include "registry.hpp"

namespace glassheap::bindings {
namespace {

// --- Lists of records. -------------------------------------------------------------------------

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

Findings findings_of(Heap& heap) {
  Findings findings;
  Fault fault;
  {
    const py::gil_scoped_release gil_released;
    findings = heap.check(fault);
  }
  raise_if(fault);
  return findings;
}

py::list check(OpenHeap heap) {
  const RecordMaker record("Finding");
  py::list list;
  for (const auto& [broken, culprit, text] : findings_of(*heap)) {
    const py::object finding = record(py::make_tuple(name_of(broken.kind), name_of(broken.rule),
                                                     broken.offset, broken.expected, broken.found));
    finding.attr("_sentence") = text;
    if (culprit.extent != 0) finding.attr("culprit") = as_record(RecordMaker("BlockInfo"), culprit);
    list.append(finding);
  }
  return list;
}

void add_lists(HeapClass& type) {
  type.def("free_list", &free_list,
           R"(Return the free blocks in list order, as FreeBlock(address, size).

address is the node's: the first byte of the free block; size is the payload that the node offers,
in bytes. In a damaged heap the list ends at the first broken node. O(n). Raises HeapClosed.)")
      .def("walk", &walk, R"(Return every block, live and free, in address order, as BlockInfo.

The extents add up to the region, whatever state the bytes are in. O(n). Raises HeapClosed.)")
      .def("check", &check,
           R"(Verify every rule of the heap, and return each violation, as a Finding.

Headers: magic, size, seal. Nodes: size, next, prev, head. Neighbours, coverage, counters. With
checks='debug' redzones and the fill of free memory, every byte. A finding's culprit is the live
block that most likely wrote there. An empty list means a sound heap; anything else makes the heap
damaged. O(n log n), in a debug heap O(size). Raises HeapClosed.)");
}

// --- OutOfMemory. ------------------------------------------------------------------------------

// The nearest number for one that does not fit in 64 bits.
Size clamped(const py::object& requested) {
  BoundedInt size;
  if (!read_bounded_int(requested.ptr(), "requested", size)) throw py::error_already_set();
  return size.value;
}

std::string explain(OpenHeap heap, const py::object& requested, Size available, Size largest,
                    Size free_blocks, Size align) {
  const Fault shortage{.kind = FaultKind::out_of_memory,
                       .argument = clamped(requested),
                       .shortage = {available, largest, free_blocks, align}};
  const py::gil_scoped_release gil_released;
  return heap->explain(shortage);
}

double index_of_fragmentation(const py::object& requested, Size available, Size free_blocks) {
  return fragmentation_index(clamped(requested), available, free_blocks);
}

void add_shortages(HeapClass& type) {
  type.def("_explain", &explain, "Return the message of an OutOfMemory, from its attributes.")
      .def_static("_fragmentation_index", &index_of_fragmentation,
                  "Return the fragmentation_index of an OutOfMemory, from its attributes.");
}

// --- Statistics. -------------------------------------------------------------------------------

py::object stats(OpenHeap heap) {
  using py::literals::operator""_a;
  const Stats s = checked([&](Fault& fault) { return heap->stats(fault); });
  return record_type("HeapStats")(
      "size"_a = s.size, "live_blocks"_a = s.live_blocks, "free_blocks"_a = s.free_blocks,
      "requested"_a = s.requested, "used"_a = s.used, "available"_a = s.available,
      "largest_free"_a = s.largest_free, "overhead"_a = s.overhead,
      "peak_requested"_a = s.peak_requested, "peak_used"_a = s.peak_used, "mallocs"_a = s.mallocs,
      "frees"_a = s.frees, "reallocs"_a = s.reallocs, "failures"_a = s.failures,
      "recovered"_a = s.recovered, "external_fragmentation"_a = s.external_fragmentation());
}

Size available_memory(OpenHeap heap) {
  return checked([&](Fault& fault) { return heap->available_memory(fault); });
}

Size largest_free(OpenHeap heap) {
  return checked([&](Fault& fault) { return heap->largest_free(fault); });
}

Size own_memory(OpenHeap heap) {
  return checked([&](Fault& fault) { return heap->own_memory(fault); });
}

void print_free_list(OpenHeap heap, const py::object& file) {
  using py::literals::operator""_a;
  py::print(checked([&](Fault& fault) { return heap->free_list_line(fault); }), "file"_a = file);
}

void add_statistics(HeapClass& type) {
  type.def("stats", &stats, R"(Return a HeapStats.

Takes as long as largest_free(), at most O(n); in buddy and sequential_fit, where free blocks may
touch, also O(1) for each free block behind the last live one. Raises HeapClosed.)")
      .def("available_memory", &available_memory,
           "Return the sum of the sizes in the free list, in bytes. O(1). Raises HeapClosed.")
      .def("largest_free", &largest_free,
           R"(Return the largest size that malloc can serve, in bytes; 0 also if there is none.

O(1) in first_fit and next_fit, O(log n) in best_fit and worst_fit; O(n) in the blocks of the
highest bin that has any in segregated_fit, tlsf and buddy, and in all free blocks in
sequential_fit. Raises HeapClosed.)")
      .def("own_memory", &own_memory,
           R"(Return the bytes that the heap takes outside its region: block map, index, and itself.

O(1). Raises HeapClosed.)")
      .def("print_free_list", &print_free_list, py::arg("file") = py::none(),
           R"(Print the sizes in list order on one line: Free(112)->Free(3824).

To file, or standard output. Without a free block it prints (none). Raises HeapClosed.)");
}

// --- len(), in, iter() and repr(). -------------------------------------------------------------

Size live_blocks(OpenHeap heap) {
  return checked([&](Fault& fault) { return heap->live_blocks(fault); });
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

void add_protocols(HeapClass& type) {
  type.def("__len__", &live_blocks)
      .def("__bool__", [](OpenHeap) { return true; })
      .def("__contains__", &contains)
      .def("__iter__", &iterate)
      .def("__repr__", &represent);
}

}  // namespace

void add_reports(HeapClass& type) {
  add_lists(type);
  add_shortages(type);
  add_statistics(type);
  add_protocols(type);
}

}  // namespace glassheap::bindings
