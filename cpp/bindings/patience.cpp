// patience.cpp: what malloc and alloc do about a shortage.
//
//     try --> cheapest blocks --> evict(blocks) --> try --> ...        a few times
//     try --> wait until others free enough                           in order of arrival
//
// No lock is held while the callback runs, so it may call the heap, and other threads may take what
// it has freed. If the request fails in the end, the OutOfMemory says what was done about it.

#include "patience.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "arguments.hpp"
#include "eviction.hpp"
#include "functions.hpp"
#include "raise.hpp"
#include "tags.hpp"

namespace glassheap::bindings {
namespace {

constexpr int most_evictions = 8;

// --- What the callback did. --------------------------------------------------------------------

// Without headers a block that was freed and taken again has the handle of the one before. So the
// frees of the heap are counted too.
class Watch {
 public:
  Watch(Heap& heap, const std::vector<BlockInfo>& blocks)
      : heap_(heap), before_(heap.stats(ignored_)) {
    handles_.reserve(blocks.size());
    for (const BlockInfo& block : blocks) {
      Handle handle;
      if (heap.handle_of(block.address, handle, ignored_)) handles_.push_back(handle);
    }
    gone_ = blocks.size() - handles_.size();
  }

  [[nodiscard]] std::size_t freed() {
    const auto is_gone = [this](const Handle& one) { return !heap_.is_current(one, ignored_); };
    return gone_ + static_cast<std::size_t>(std::ranges::count_if(handles_, is_gone));
  }
  // True if blocks were freed, and taken again, in a heap in which a handle does not tell.
  [[nodiscard]] bool any_retaken() {
    const Stats now = heap_.stats(ignored_);
    return !heap_.options().headers && now.frees != before_.frees && now.mallocs != before_.mallocs;
  }

 private:
  Heap& heap_;
  Fault ignored_;
  Stats before_;
  std::vector<Handle> handles_;
  std::size_t gone_ = 0;
};

std::string describe(int calls, std::size_t given, Watch& watch) {
  const std::size_t freed = watch.freed();
  const std::string times = calls == 1 ? "once" : std::to_string(calls) + " times";
  const std::string blocks = given == 1 ? "1 block" : std::to_string(given) + " blocks";
  const std::string called =
      " evict was called " + times + ", the last time with " + blocks + ", and ";
  if (freed == 0 && watch.any_retaken()) return called + "what it freed was taken again.";
  const std::string some = freed == 0 ? "none" : freed == given ? "all" : std::to_string(freed);
  return called + "freed " + some + " of them.";
}

// Lets the callback evict until the attempt succeeds. If it does not, `fault` has the reason, and
// `story` what was done about it.
template <typename Attempt>
bool evict_until(const PatientRequest& request, Heap& heap, Attempt attempt, Fault& fault,
                 std::string& story) {
  bool goes_on = true;
  const auto try_once = [&] {
    const Announcement announced(heap, Announcement::Attempt{});
    return attempt(fault = {});
  };
  for (int calls = 0; !try_once(); ++calls) {
    if (fault.kind != FaultKind::out_of_memory || !goes_on || calls == most_evictions) return false;
    const std::optional<Eviction> eviction =
        find_cheapest(heap, request.size, request.align, {}, request.given_align);
    if (!eviction) {
      story += " No live blocks that may be freed would make room for it.";
      return false;
    }
    const std::vector<BlockInfo>& blocks = eviction->blocks;
    if (blocks.empty()) continue;  // another thread has just freed enough
    Watch watch(heap, blocks);
    const Announcement its_own(heap, TagId{0});
    py::handle(request.evict)(as_list(blocks));
    story = describe(calls + 1, blocks.size(), watch);
    goes_on = watch.freed() != 0 || watch.any_retaken();
  }
  return true;
}

// --- Waiting. ----------------------------------------------------------------------------------

// With two decimals, whatever the program's locale is.
std::string as_seconds(std::chrono::steady_clock::duration duration) {
  const auto hundredths = std::chrono::duration_cast<std::chrono::milliseconds>(duration) / 10;
  char text[48];
  std::snprintf(text, sizeof text, "%lld.%02lld", static_cast<long long>(hundredths.count() / 100),
                static_cast<long long>(hundredths.count() % 100));
  return text;
}

// wait(seconds, fault) returns true if the request was served.
template <typename Waiting>
bool wait_until(double seconds, Waiting wait, Fault& fault, std::string& story) {
  const auto begin = std::chrono::steady_clock::now();
  if (wait(seconds, fault = {})) return true;
  story += " It waited " + as_seconds(std::chrono::steady_clock::now() - begin) +
           " seconds for others to free enough.";
  return false;
}

// --- The call. ---------------------------------------------------------------------------------

void check_callback(PyObject* evict) {
  if (!is_given(evict) || PyCallable_Check(evict) != 0) return;
  throw py::type_error("evict must be a function of a list of blocks, not " +
                       std::string(Py_TYPE(evict)->tp_name) + ".");
}

// Throws the exception for the fault; the message of an OutOfMemory ends with the story.
[[noreturn]] void refuse(const PatientRequest& request, const Fault& fault,
                         const std::string& story) {
  const bool is_align = fault.kind == FaultKind::invalid_alignment;
  set_error(fault, is_align ? request.given_align : request.given_size, request.heap);
  py::error_already_set error;
  if (fault.kind == FaultKind::out_of_memory) error.value().attr("_story") = story;
  throw error;
}

// Makes the request by attempt(fault), and by wait(seconds, fault). Throws if neither serves it.
template <typename Attempt, typename Waiting>
void serve(const PatientRequest& request, Heap& heap, Attempt attempt, Waiting wait) {
  check_callback(request.evict);
  const bool waits = is_given(request.timeout);
  const double seconds = waits ? require_seconds(request.timeout, "timeout") : 0;
  Fault fault{.kind = FaultKind::out_of_memory};
  std::string story;
  if (is_given(request.evict) && evict_until(request, heap, attempt, fault, story)) return;
  const bool is_short = fault.kind == FaultKind::out_of_memory;
  if (waits && is_short && wait_until(seconds, wait, fault, story)) return;
  if (!waits && is_short) heap.record_failure(request.size, request.align);
  refuse(request, fault, story);
}

}  // namespace

PyObject* malloc_patiently(const PatientRequest& request) {
  return guarded([&request] {
    Heap& heap = require_value<Heap>(request.heap);
    const auto [size, align] = std::pair(request.size, request.align);
    Address address = 0;
    const auto done = [&address](const Fault& fault, Address served) {
      address = served;
      return !fault;
    };
    serve(
        request, heap, [&](Fault& fault) { return done(fault, heap.malloc(size, align, fault)); },
        [&](double seconds, Fault& fault) {
          return done(fault, heap.malloc_within(seconds, size, align, fault));
        });
    put_context_tag(heap, address);
    return address;
  });
}

PyObject* alloc_patiently(const PatientRequest& request) {
  return guarded([&request] {
    Heap& heap = require_value<Heap>(request.heap);
    const auto [size, align] = std::pair(request.size, request.align);
    Handle handle;
    serve(
        request, heap, [&](Fault& fault) { return heap.acquire(size, align, handle, fault); },
        [&](double seconds, Fault& fault) {
          return heap.acquire_within(seconds, size, align, handle, fault);
        });
    put_context_tag(heap, handle.address);
    return owned(make_block(py::reinterpret_borrow<py::object>(request.heap), handle));
  });
}

}  // namespace glassheap::bindings
