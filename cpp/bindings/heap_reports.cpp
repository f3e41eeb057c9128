// heap_reports.cpp: Heap: lists of blocks, findings, statistics.

#include "arguments.hpp"
#include "functions.hpp"
#include "gil.hpp"
#include "raise.hpp"
#include "registry.hpp"

namespace glassheap::bindings {
namespace {

// --- Lists of records. -------------------------------------------------------------------------

constexpr const char free_list_doc[] = R"(free_list($self)
--

Return the free blocks in list order, as FreeBlock(address, size).

address is the node's: the first byte of the free block; size is the payload that the node
offers, in bytes. In a damaged heap the list ends at the first broken node. O(n).

Raises HeapClosed.)";

py::list free_list(Heap& heap) {
  const RecordMaker record("FreeBlock");
  py::list list;
  for (const FreeBlock& block : checked([&](Fault& fault) { return heap.free_list(fault); }))
    list.append(record(py::make_tuple(block.address, block.size)));
  return list;
}

constexpr const char walk_doc[] = R"(walk($self)
--

Return every block, live and free, in address order, as BlockInfo.

The extents, in bytes, add up to the region, whatever state the bytes are in. O(n).

Raises HeapClosed.)";

py::list walk(Heap& heap) {
  const RecordMaker record("BlockInfo");
  py::list list;
  for (const BlockInfo& info : checked([&](Fault& fault) { return heap.walk(fault); }))
    list.append(as_record(record, info));
  return list;
}

Findings findings_of(Heap& heap) {
  Findings findings;
  Fault fault;
  {
    const GilReleased gil_released;
    findings = heap.check(fault);
  }
  raise_if(fault);
  return findings;
}

constexpr const char check_doc[] = R"(check($self)
--

Verify every rule of the heap, and return each violation, as a Finding.

Headers: magic, size, seal. Nodes: size, next, record, head. Neighbours, coverage, counters.
With checks='debug' redzones and the fill of free memory, every byte. A finding's culprit is
the live block that most likely wrote there. An empty list means a sound heap; anything else
makes the heap damaged. The GIL is released. O(n log n), in a debug heap O(size).

Raises HeapClosed.)";

py::list check(Heap& heap) {
  const RecordMaker record("Finding");
  py::list list;
  for (const auto& [broken, culprit, text] : findings_of(heap)) {
    const py::object finding = record(py::make_tuple(name_of(broken.kind), name_of(broken.rule),
                                                     broken.offset, broken.expected, broken.found));
    finding.attr("_sentence") = text;
    if (culprit.extent != 0) finding.attr("culprit") = as_record(RecordMaker("BlockInfo"), culprit);
    list.append(finding);
  }
  return list;
}

// --- Statistics. -------------------------------------------------------------------------------

constexpr const char stats_doc[] = R"(stats($self)
--

Return a HeapStats, whose sizes are in bytes.

Takes as long as largest_free(), at most O(n); in buddy and sequential_fit, where free
blocks may touch, also O(1) for each free block behind the last live one.

Raises HeapClosed.)";

py::object stats(Heap& heap) {
  using py::literals::operator""_a;
  const Stats s = checked([&](Fault& fault) { return heap.stats(fault); });
  return record_type("HeapStats")(
      "size"_a = s.size, "live_blocks"_a = s.live_blocks, "free_blocks"_a = s.free_blocks,
      "requested"_a = s.requested, "used"_a = s.used, "available"_a = s.available,
      "largest_free"_a = s.largest_free, "overhead"_a = s.overhead,
      "peak_requested"_a = s.peak_requested, "peak_used"_a = s.peak_used, "mallocs"_a = s.mallocs,
      "frees"_a = s.frees, "reallocs"_a = s.reallocs, "failures"_a = s.failures,
      "recovered"_a = s.recovered, "quarantined"_a = s.quarantined, "waits"_a = s.waits,
      "waited"_a = static_cast<double>(s.waited) * 1e-9,
      "external_fragmentation"_a = s.external_fragmentation());
}

constexpr const char available_memory_doc[] = R"(available_memory($self)
--

Return the sum of the sizes in the free list, in bytes.

O(1), and in a debug heap with headers O(n). Raises HeapClosed.)";

Size available_memory(Heap& heap) {
  return checked([&](Fault& fault) { return heap.available_memory(fault); });
}

constexpr const char largest_free_doc[] = R"(largest_free($self)
--

Return the largest size that malloc can serve, in bytes; 0 also if there is none.

O(1) in first_fit and next_fit, O(log n) in best_fit and worst_fit; O(n) in the blocks of
the highest bin that has any in segregated_fit, quick_fit, tlsf and buddy, and in all free
blocks in sequential_fit. In quick_fit a larger request may be served too, by free blocks
that touch and are joined for it.

Raises HeapClosed.)";

Size largest_free(Heap& heap) {
  return checked([&](Fault& fault) { return heap.largest_free(fault); });
}

constexpr const char own_memory_doc[] = R"(own_memory($self)
--

Return the bytes that the heap takes outside its region.

They are block map, index, the records of free blocks, the heap itself, and with tags 8
bytes for each 16 of the region. A record takes 16 bytes and has the links of a block.
segregated_fit, quick_fit, tlsf, buddy and sequential_fit have records, as many as there
were free blocks at one time since the last reset().

O(1). Raises HeapClosed.)";

Size own_memory(Heap& heap) {
  return checked([&](Fault& fault) { return heap.own_memory(fault); });
}

constexpr const char print_free_list_doc[] = R"(print_free_list($self, file=None)
--

Print the sizes in list order, in bytes, on one line: Free(112)->Free(3824).

To file, or standard output. Without a free block it prints (none). O(n). Raises HeapClosed.)";

void print_free_list(Heap& heap, py::handle file) {
  using py::literals::operator""_a;
  const py::object target = file ? py::reinterpret_borrow<py::object>(file) : py::none();
  py::print(checked([&](Fault& fault) { return heap.free_list_line(fault); }), "file"_a = target);
}

// --- len(), in, iter() and repr(). -------------------------------------------------------------

constexpr const char heap_len_doc[] = R"(__len__($self)
--

Return the number of live blocks. O(1). Raises HeapClosed.)";

Size live_blocks(Heap& heap) {
  return checked([&](Fault& fault) { return heap.live_blocks(fault); });
}

constexpr const char bool_doc[] = R"(__bool__($self)
--

Return True, also for a heap without a live block.)";

bool is_true(py::handle /*self*/) { return true; }

constexpr const char iter_doc[] = R"(__iter__($self)
--

Return an iterator over the payload addresses of the blocks that are live now.

They are in ascending order. O(n). Raises HeapClosed.)";

py::iterator iterate(Heap& heap) {
  py::list addresses;
  for (const BlockInfo& info : checked([&](Fault& fault) { return heap.walk(fault); })) {
    if (info.live) addresses.append(info.address);
  }
  return py::iter(addresses);
}

constexpr const char contains_doc[] = R"(__contains__($self, candidate, /)
--

Return True if and only if candidate is the payload address of a live block.

O(log n). Raises HeapClosed.)";

bool contains(Heap& heap, py::handle candidate) {
  if (!PyIndex_Check(candidate.ptr())) return false;
  const std::uint64_t address = require_address(candidate);
  return checked([&](Fault& fault) { return heap.contains(address, fault); });
}

constexpr const char heap_repr_doc[] = R"(__repr__($self)
--

Return size, place, policy and state in angle brackets. Takes as long as stats().)";

py::str represent_heap(Heap& heap) {
  const Options& options = heap.options();
  Fault closed;
  const Stats s = heap.stats(closed);
  if (closed) return py::str("<Heap of {} bytes, {}, closed>").format(heap.size(), options.policy);
  return py::str("<Heap of {} bytes at {:#x}, {}: {} live, {} free, {} bytes available>")
      .format(heap.size(), heap.base(), options.policy, s.live_blocks, s.free_blocks, s.available);
}

std::array report_methods = {
    method<free_list_doc, free_list>(),
    method<walk_doc, walk>(),
    method<check_doc, check>(),
    method<stats_doc, stats>(),
    method<available_memory_doc, available_memory>(),
    method<largest_free_doc, largest_free>(),
    method<own_memory_doc, own_memory>(),
    method<print_free_list_doc, print_free_list>(),
    method<heap_len_doc, live_blocks>(),
    method<bool_doc, is_true>(),
    method<iter_doc, iterate>(),
    method<contains_doc, contains>(),
    method<heap_repr_doc, represent_heap>(),
};

}  // namespace

void add_reports(PyTypeObject* type) { add_methods(type, report_methods); }

}  // namespace glassheap::bindings
