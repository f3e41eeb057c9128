#include <algorithm>
#include <functional>
#include <utility>

#include "glassheap/announcement.hpp"
#include "heap/scoped_access.hpp"

// HeapState: which calls a recording has, and how it describes the heap.

namespace glassheap {

// --- The calls. --------------------------------------------------------------------------------

namespace {

using trace::Event;
using trace::EventKind;

const Announced* said_of(const HeapState& heap) noexcept {
  const Announced& said = announced();
  return said.heap == &heap ? &said : nullptr;
}

TagId announced_tag(const HeapState& heap) noexcept {
  const Announced* const said = said_of(heap);
  return said == nullptr ? 0 : said->tag;
}

bool is_failure(const HeapState& heap, const Fault& fault) noexcept {
  const Announced* const said = said_of(heap);
  return fault.kind == FaultKind::out_of_memory && (said == nullptr || !said->tries);
}

// The tag of a live block; 0 if it has none.
TagId tag_of(const HeapState& heap, Offset payload) noexcept {
  const Ledger* const kept = heap.ledger.load(std::memory_order_acquire);
  return kept == nullptr ? 0 : kept->read(payload).tag;
}

void add(const HeapState& heap, Event event) noexcept {
  const Ledger* const kept = heap.ledger.load(std::memory_order_acquire);
  if (kept == nullptr) event.tag = 0;
  if (event.align == heap.default_align) event.align = 0;
  heap.recording->add(event, kept == nullptr ? nullptr : &kept->tags);
}

}  // namespace

void HeapState::add_malloc(const Asked& asked, Address payload, const Fault& fault) const noexcept {
  Event event{
      .address = payload, .size = asked.size, .align = asked.align, .tag = announced_tag(*this)};
  if (fault && !is_failure(*this, fault)) return;
  if (fault) event.kind = EventKind::failed_malloc;
  add(*this, event);
}

// The sizes that were served beside one another, and at last the one that was not.
void HeapState::note_refused_batch(std::span<const Size> sizes, const Fault& fault) const noexcept {
  if (recording == nullptr || !is_failure(*this, fault)) return;
  const TagId tag = announced_tag(*this);
  for (const Size size : sizes.first(sizes.size() - 1))
    add(*this, {.kind = EventKind::failed_part, .size = size, .tag = tag});
  add(*this, {.kind = EventKind::failed_malloc, .size = sizes.back(), .tag = tag});
}

// The block keeps its tag, unless another one was announced.
void HeapState::add_realloc(Address from, const Asked& asked, Address to,
                            const Fault& fault) const noexcept {
  Event event{.kind = EventKind::realloc,
              .address = from,
              .result = to,
              .size = asked.size,
              .align = asked.align,
              .tag = announced_tag(*this)};
  if (fault && !is_failure(*this, fault)) return;
  if (fault) event.kind = EventKind::failed_realloc;
  if (event.tag == 0) event.tag = tag_of(*this, addresses.offset_of(fault ? from : to));
  add(*this, event);
}

void HeapState::add_free(Address payload) const noexcept {
  add(*this, {.kind = EventKind::free, .address = payload});
}

// The core frees from the highest address down. The quarantine keeps the order of the batch.
void HeapState::note_frees(std::span<Offset> payloads) noexcept {
  if (recording == nullptr) return;
  if (quarantine == nullptr) std::ranges::sort(payloads, std::greater());
  for (const Offset payload : payloads) note_free(payload);
}

// --- What a thread announces. ------------------------------------------------------------------

void Announcement::say_tag(const Heap& heap, TagId tag) noexcept {
  const Announced before = std::exchange(announced(), {.heap = heap.state_.get(), .tag = tag});
  heap_ = before.heap;
  tag_ = before.tag;
  tries_ = before.tries;
  said_ = true;
}

void Announcement::say_attempt(const Heap& heap) noexcept {
  say_tag(heap, announced_tag(*heap.state_));
  announced().tries = true;
}

void Announcement::take_back() noexcept { announced() = {heap_, tag_, tries_}; }

void Heap::record_failure(Size size, Size align) noexcept {
  Fault fault;
  state_->read(fault, [&](HeapState& heap) {
    heap.note_malloc({size, align}, 0, {.kind = FaultKind::out_of_memory});
    return true;
  });
}

// --- The heap that is recorded. ----------------------------------------------------------------

namespace {

const char* type_of(const HeapState& heap) noexcept {
  const bool shared = heap.hooks != nullptr;
  if (heap.addresses.has_bytes()) return shared ? "SharedHeap" : "Heap";
  return shared ? "SharedOffsetHeap" : "OffsetHeap";
}

class Facts {
 public:
  explicit Facts(Recording& recording) : recording_(recording) {}

  void add(std::string_view key, std::string_view value) {
    recording_.add_fact(std::string(key) + "=" + std::string(value));
  }
  void add(std::string_view key, const char* value) { add(key, std::string_view(value)); }
  void add(std::string_view key, Size value) { add(key, std::to_string(value)); }
  void add(std::string_view key, bool value) { add(key, value ? "true" : "false"); }

 private:
  Recording& recording_;
};

// What decides where a block is placed, in the words of the Python package.
void add_rules(const Options& options, Facts& facts) {
  constexpr std::array fits = {"first", "best", "worst"};
  constexpr std::array orders = {"address", "size+", "size-", "front", "back"};
  facts.add("policy", options.policy);
  if (options.fit) facts.add("fit", fits[static_cast<std::size_t>(*options.fit)]);
  if (options.order) facts.add("order", orders[static_cast<std::size_t>(*options.order)]);
  if (options.coalesce) facts.add("coalesce", *options.coalesce);
}

void describe(const HeapState& heap, Recording& recording) {
  const Options& options = heap.options;
  Facts facts(recording);
  facts.add("recorder", "heap");
  facts.add("heap", type_of(heap));
  facts.add("size", heap.addresses.size());
  add_rules(options, facts);
  facts.add("granule", heap.addresses.units().granule());
  if (options.align) facts.add("align", *options.align);
  if (!heap.addresses.has_bytes()) return;
  facts.add("headers", options.headers);
  facts.add("base", heap.addresses.base());
  facts.add("checks", options.checks == Checks::debug ? "debug" : "robust");
  if (options.quarantine != 0) facts.add("quarantine", options.quarantine);
}

}  // namespace

void HeapState::record_to(std::unique_ptr<Recording> begun) {
  if (begun == nullptr) return;
  describe(*this, *begun);
  recording = std::move(begun);
}

}  // namespace glassheap
