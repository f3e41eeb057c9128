// owners.cpp: Heap: who holds the memory, since when, and what an OutOfMemory has to say of it.

#include <pybind11/stl.h>

#include "arguments.hpp"
#include "functions.hpp"
#include "gil.hpp"
#include "raise.hpp"
#include "registry.hpp"

namespace glassheap::bindings {
namespace {

// --- Tags. -------------------------------------------------------------------------------------

// A tag that was set in C++ may be no UTF-8.
py::object tag_or_none(const std::optional<std::string>& tag) {
  if (!tag) return py::none();
  const auto length = static_cast<Py_ssize_t>(tag->size());
  return owned(PyUnicode_DecodeUTF8(tag->data(), length, "replace"));
}

py::list usages_of(const std::vector<TagUsage>& usages) {
  const RecordMaker record("TagUsage");
  py::list list;
  for (const auto& [tag, blocks, bytes, oldest, newest] : usages)
    list.append(record(py::make_tuple(tag_or_none(tag), blocks, bytes, oldest, newest)));
  return list;
}

py::list blocks_of(const std::vector<TaggedBlock>& blocks) {
  const RecordMaker record("TaggedBlock");
  py::list list;
  for (const auto& [address, size, tag, age] : blocks)
    list.append(record(py::make_tuple(address, size, tag_or_none(tag), age)));
  return list;
}

constexpr const char by_tag_doc[] = R"(by_tag($self)
--

Return a TagUsage for each tag that live blocks have, the most bytes first.

The blocks without a tag are one of them, under None. Ages are in seconds, with a resolution
of 1/32 s. A block from before the heap began to keep tags has none, and is at least as old
as it says; of a heap that keeps none, every age is 0. A shared heap knows the tags of the
blocks that this process has allocated; all others are under None. O(n log n).

Raises HeapClosed.)";

py::list by_tag(Heap& heap) {
  return usages_of(checked([&](Fault& fault) { return heap.by_tag(fault); }));
}

constexpr const char oldest_doc[] = R"(oldest($self, count=10)
--

Return the oldest live blocks, at most count of them, as TaggedBlock, the oldest first.

Blocks of the same age are in address order; sizes are in bytes, ages in seconds. What
by_tag() says about tags and ages holds here too. O(n log count).

Raises InvalidSize if and only if count is negative, TypeError for no integer; HeapClosed.)";

py::list oldest(Heap& heap, py::handle given) {
  const std::size_t count = given ? require_size(given, "count") : 10;
  return blocks_of(checked([&](Fault& fault) { return heap.oldest(count, fault); }));
}

constexpr const char refusals_doc[] = R"(_refusals($self)
--

Return how often calls of this process were refused, by reason.)";

py::dict refusals(Heap& heap) {
  py::dict counts;
  for (const auto& [reason, count] : checked([&](Fault& fault) { return heap.refusals(fault); }))
    counts[reason] = count;
  return counts;
}

// --- OutOfMemory. ------------------------------------------------------------------------------

// The nearest number for one that does not fit in 64 bits.
Size clamped(py::handle requested) {
  BoundedInt size;
  if (!read_bounded_int(requested.ptr(), "requested", size)) throw py::error_already_set();
  return size.value;
}

Fault shortage_from(py::handle requested, py::handle available, py::handle largest,
                    py::handle free_blocks, py::handle align) {
  return {.kind = FaultKind::out_of_memory,
          .argument = clamped(requested),
          .shortage = {require_number(available, "available"), require_number(largest, "largest"),
                       require_number(free_blocks, "free_blocks"), require_number(align, "align")}};
}

constexpr const char explain_doc[] =
    R"(_explain($self, requested, available, largest, free_blocks, align, /)
--

Return the message of an OutOfMemory, from its attributes.)";

std::string explain(Heap& heap, py::handle requested, py::handle available, py::handle largest,
                    py::handle free_blocks, py::handle align) {
  const Fault shortage = shortage_from(requested, available, largest, free_blocks, align);
  const GilReleased gil_released;
  return heap.explain(shortage);
}

constexpr const char diagnose_doc[] =
    R"(_diagnose($self, requested, available, largest, free_blocks, align, /)
--

Return the Diagnosis of an OutOfMemory, from its attributes.)";

py::object diagnose(Heap& heap, py::handle requested, py::handle available, py::handle largest,
                    py::handle free_blocks, py::handle align) {
  const Fault shortage = shortage_from(requested, available, largest, free_blocks, align);
  const Diagnosis found = [&] {
    const GilReleased gil_released;
    return heap.diagnose(shortage);
  }();
  return RecordMaker("Diagnosis")(py::make_tuple(name_of(found.cause), usages_of(found.by_tag),
                                                 blocks_of(found.between), found.shortfall));
}

constexpr const char index_doc[] = R"(_fragmentation_index(requested, available, free_blocks, /)
--

Return the fragmentation_index of an OutOfMemory, from its attributes.)";

double index_of_fragmentation(py::handle requested, py::handle available, py::handle free_blocks) {
  return fragmentation_index(clamped(requested), require_number(available, "available"),
                             require_number(free_blocks, "free_blocks"));
}

std::array owner_methods = {
    method<by_tag_doc, by_tag>(),     method<oldest_doc, oldest>(),
    method<refusals_doc, refusals>(), method<explain_doc, explain>(),
    method<diagnose_doc, diagnose>(), static_method<index_doc, index_of_fragmentation>(),
};

}  // namespace

void add_owners(PyTypeObject* type) { add_methods(type, owner_methods); }

}  // namespace glassheap::bindings
