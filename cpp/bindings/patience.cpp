// patience.cpp: what malloc and alloc do about a shortage.
//
//     try --> cheapest blocks --> evict(blocks) --> try --> ...        a few times
//
// No lock is held while the callback runs, so it may call the heap, and other threads may take what
// it has freed. If the request fails in the end, the OutOfMemory says what the callback did.

#include "patience.hpp"

#include <algorithm>

#include "eviction.hpp"
#include "functions.hpp"
#include "raise.hpp"
#include "tags.hpp"

namespace glassheap::bindings {
namespace {

constexpr int most_evictions = 8;

// --- What the callback did. --------------------------------------------------------------------

bool is_still_live(Heap& heap, const BlockInfo& block) {
  Fault gone;
  Handle handle;
  return heap.handle_of(block.address, handle, gone) && handle.serial == block.serial &&
         handle.size == block.size;
}

std::size_t count_freed(Heap& heap, const std::vector<BlockInfo>& blocks) {
  return static_cast<std::size_t>(std::ranges::count_if(
      blocks, [&heap](const BlockInfo& block) { return !is_still_live(heap, block); }));
}

std::string describe(int calls, std::size_t given, std::size_t freed) {
  const std::string times = calls == 1 ? "once" : std::to_string(calls) + " times";
  const std::string blocks = given == 1 ? "1 block" : std::to_string(given) + " blocks";
  const std::string some = freed == 0 ? "none" : freed == given ? "all" : std::to_string(freed);
  return " evict was called " + times + ", the last time with " + blocks + ", and freed " + some +
         " of them.";
}

// Lets the callback evict until the attempt succeeds. If it does not, `fault` has the reason, and
// `story` what was done about it.
template <typename Attempt>
bool evict_until(const PatientRequest& request, Heap& heap, Attempt attempt, Fault& fault,
                 std::string& story) {
  bool goes_on = true;
  for (int calls = 0; !attempt(fault = {}); ++calls) {
    if (fault.kind != FaultKind::out_of_memory || !goes_on || calls == most_evictions) return false;
    const std::optional<Eviction> eviction = find_cheapest(heap, request.size, request.align, {});
    if (!eviction) {
      story += " No live blocks that may be freed would make room for it.";
      return false;
    }
    const std::vector<BlockInfo>& blocks = eviction->blocks;
    if (blocks.empty()) continue;  // another thread has just freed enough
    py::handle(request.evict)(as_list(blocks));
    const std::size_t freed = count_freed(heap, blocks);
    story = describe(calls + 1, blocks.size(), freed);
    goes_on = freed != 0;
  }
  return true;
}

// --- The call. ---------------------------------------------------------------------------------

void check_callback(PyObject* evict) {
  if (PyCallable_Check(evict) != 0) return;
  throw py::type_error("evict must be a function of a list of blocks, not " +
                       std::string(Py_TYPE(evict)->tp_name) + ".");
}

// Throws the exception for the fault; the message of an OutOfMemory ends with the story.
[[noreturn]] void refuse(const PatientRequest& request, const Fault& fault,
                         const std::string& story) {
  set_error(fault, request.given_size, request.heap);
  py::error_already_set error;
  if (fault.kind == FaultKind::out_of_memory) error.value().attr("_story") = story;
  throw error;
}

template <typename Attempt>
void serve(const PatientRequest& request, Heap& heap, Attempt attempt) {
  check_callback(request.evict);
  Fault fault;
  std::string story;
  if (!evict_until(request, heap, attempt, fault, story)) refuse(request, fault, story);
}

}  // namespace

PyObject* malloc_patiently(const PatientRequest& request) {
  return guarded([&request] {
    Heap& heap = require_value<Heap>(request.heap);
    Address address = 0;
    serve(request, heap, [&](Fault& fault) {
      address = heap.malloc(request.size, request.align, fault);
      return !fault;
    });
    put_context_tag(heap, address);
    return address;
  });
}

PyObject* alloc_patiently(const PatientRequest& request) {
  return guarded([&request] {
    Heap& heap = require_value<Heap>(request.heap);
    Handle handle;
    serve(request, heap,
          [&](Fault& fault) { return heap.acquire(request.size, request.align, handle, fault); });
    put_context_tag(heap, handle.address);
    return owned(make_block(py::reinterpret_borrow<py::object>(request.heap), handle));
  });
}

}  // namespace glassheap::bindings
