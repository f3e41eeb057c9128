// checked_heap.cpp: the calls of a CheckedHeap that allocate and free.

#include "checked_heap.hpp"

#include "glassheap/layout.h"

namespace glassheap {
namespace {

constexpr std::size_t most_freed = 16;
constexpr Size most_content = 65536;  // bytes of a payload that are compared

std::unique_ptr<Heap> open(const Options& options) {
  Fault fault;
  std::unique_ptr<Heap> heap = Heap::open(options, fault);
  require(heap != nullptr, "these options open a heap");
  return heap;
}

bool all_are(std::byte expected, const std::byte* first, Size size) {
  return std::all_of(first, first + size, [=](std::byte byte) { return byte == expected; });
}

// The bytes of free memory, and of a new payload, where the heap fills them.
std::byte fill_of(const Options& options) {
  return std::byte{static_cast<unsigned char>(options.zero_on_free ? 0 : GLASSHEAP_FREED)};
}

}  // namespace

CheckedHeap::CheckedHeap(const Options& options)
    : heap_(open(options)), gap_(heap_->address()), model_(*heap_), first_list_(view().free_list) {}

// --- Checks. ------------------------------------------------------------------------------------

// Makes a call that must have the result `expected`, `none` being success, or else `or_else`.
// Returns what the call returns.
Address CheckedHeap::change(FaultKind expected, FaultKind or_else, const Call& call) {
  std::optional<HeapView> before;
  if (expected != FaultKind::none || overwritten_) before = view();
  const Address result = call(fault_ = {});
  const Fault& fault = fault_;
  require((result == 0) == static_cast<bool>(fault),
          "a call is refused if and only if it fills in the fault");
  if (fault && !before) throw BrokenPromise("This call must be served, but " + sentence(fault));
  if (fault) expect_unchanged(*before, fault);
  if (fault.kind == FaultKind::out_of_memory) model_.count_failure();
  if (was_damaged(fault)) return 0;
  // A policy that cannot follow its overwritten lists may find no block.
  const bool short_of_memory = fault.kind == FaultKind::out_of_memory;
  const bool as_overwritten = overwritten_ && (is_corruption(fault.kind) ||
                                               (expected == FaultKind::none && short_of_memory));
  require(fault.kind == expected || fault.kind == or_else || as_overwritten,
          "a call has the correct result");
  return result;
}

// Updates damaged_. Returns true if the heap was damaged before the call: then it must be refused.
bool CheckedHeap::was_damaged(const Fault& fault) {
  const bool before = damaged_;
  if (is_corruption(fault.kind)) damaged_ = true;
  require((fault.kind == FaultKind::heap_damaged) == before,
          "calls are refused as damaged in a damaged heap, and in no other");
  return before;
}

void CheckedHeap::expect_unchanged(const HeapView& before, const Fault& fault) const {
  const HeapView after = view();
  require(before == after, "a refused call changes nothing");
  const bool is_short = fault.kind == FaultKind::out_of_memory;
  require(after.stats.failures == before.stats.failures + (is_short ? 1 : 0),
          "failures are counted");
  require(!is_short || (fault.shortage.available == before.stats.available &&
                        fault.shortage.largest == before.stats.largest_free &&
                        fault.shortage.free_blocks == before.stats.free_blocks),
          "a shortage describes the heap");
  examine(fault);
}

void CheckedHeap::examine(const Fault& fault) const {
  require(!sentence(fault).empty() && *name_of(fault.kind) != 0, "a fault has a sentence");
  const FaultKind named = model_.fault_of_pointer(fault.address);
  switch (fault.kind) {
    case FaultKind::interior_pointer:
      require(fault.owner == model_.owner(fault.address), "a fault names the block's payload");
      [[fallthrough]];
    case FaultKind::foreign_pointer:
    case FaultKind::misaligned_pointer:
    case FaultKind::pinned:
      require(fault.kind == named, "a fault names the pointer");
      break;
    default:
      break;
  }
  if (!is_corruption(fault.kind)) return;
  require(overwritten_, "corruption is found only if bytes were overwritten");
  require(fault.offset < heap_->size(), "corruption is inside the region");
}

// --- Single calls. ------------------------------------------------------------------------------

// The same call, of which a refusal must name the size, or the alignment.
CheckedHeap::Call CheckedHeap::naming(Size size, Size align, Call call) const {
  return [=, this, call = std::move(call)](Fault& fault) {
    const Address payload = call(fault);
    require(fault.kind != FaultKind::out_of_memory ||
                (fault.argument == size && fault.shortage.align == std::max(align, granule_size)),
            "a shortage names the request");
    require(fault.kind != FaultKind::invalid_alignment ||
                (fault.argument == align && fault.maximum == heap_->align_limit()),
            "an invalid alignment is named, and the largest valid one");
    return payload;
  };
}

Address CheckedHeap::request(Size size, Size align, Call call) {
  const FaultKind expected = model_.fault_of_request(size, align);
  const Address payload = change(expected, expected, naming(size, align, std::move(call)));
  if (payload != 0) on_allocate(payload, size, align);
  follow_lists();
  return payload;
}

Address CheckedHeap::malloc(Size size, Size align) {
  return request(size, align, [&](Fault& fault) {
    const Address payload = heap_->malloc(size, align, fault);
    const bool filled = payload != 0 && has_debug_checks(model_.options());
    require(!filled || all_are(fill_of(model_.options()), at(payload), size),
            "a new payload shows nothing of earlier ones");
    return payload;
  });
}

Address CheckedHeap::calloc(Size count, Size size) {
  Size total = 0;
  if (__builtin_mul_overflow(count, size, &total)) total = ~Size{0};
  return request(total, granule_size, [&](Fault& fault) {
    const Address payload = heap_->calloc(count, size, fault);
    require(payload == 0 || all_are(std::byte{0}, at(payload), total), "calloc returns zeros");
    return payload;
  });
}

void CheckedHeap::free(Address payload) {
  const FaultKind expected = payload == 0 ? FaultKind::none : model_.fault_of_pointer(payload);
  if (change(expected, or_double_free(expected, payload),
             [&](Fault& fault) { return heap_->free(payload, fault) ? 1 : 0; }) != 0)
    on_free(payload);
  follow_lists();
}

Address CheckedHeap::realloc(Address payload, Size size, Size align) {
  const FaultKind expected = model_.fault_of_realloc(payload, size, align);
  const Address now =
      change(expected, or_double_free(expected, payload), naming(size, align, [&](Fault& fault) {
               return heap_->realloc(payload, size, align, fault);
             }));
  if (now != 0 && payload == 0) on_allocate(now, size, align);
  if (now != 0 && payload != 0) on_realloc(payload, now, size, align);
  follow_lists();
  return now;
}

// For some wrong addresses double_free is correct too.
FaultKind CheckedHeap::or_double_free(FaultKind expected, Address payload) const {
  const bool wrong =
      expected == FaultKind::interior_pointer || expected == FaultKind::foreign_pointer;
  return wrong && model_.may_be_double_free(payload) ? FaultKind::double_free : expected;
}

// --- Batches. -----------------------------------------------------------------------------------

// The model tells if a batch fits only where it is exact.
std::vector<Address> CheckedHeap::malloc_many(const std::vector<Size>& sizes) {
  std::vector<Address> payloads(sizes.size());
  const bool served = change(FaultKind::out_of_memory, FaultKind::none, [&](Fault& fault) {
                        return heap_->malloc_many(sizes, payloads, fault) ? 1 : 0;
                      }) != 0;
  if (!served && fault_.kind == FaultKind::out_of_memory) expect_short(sizes);
  if (!served) return {};
  for (std::size_t i = 0; i < sizes.size(); ++i) on_allocate(payloads[i], sizes[i], granule_size);
  follow_lists();
  return payloads;
}

void CheckedHeap::expect_short(std::span<const Size> sizes) const {
  require(fault_.index < sizes.size() && fault_.argument == sizes[fault_.index],
          "the fault of a batch names the request");
  if (overwritten_) return;
  Model trial = model_;
  const std::size_t known = model_.is_exact() ? fault_.index : 0;
  for (std::size_t i = 0; i <= known; ++i) {
    const auto place = trial.place(sizes[i], granule_size);
    require(place.has_value() == (i < fault_.index), "a batch is served like single requests");
    if (place) trial.malloc(*place, sizes[i]);
  }
}

void CheckedHeap::free_many(const std::vector<Address>& payloads) {
  const auto [expected, or_else] = fault_of_batch(payloads);
  std::vector<Address> batch = payloads;
  std::vector<Address> highest_first = payloads;
  std::ranges::sort(highest_first, std::greater());
  if (change(expected, or_else,
             [&](Fault& fault) { return heap_->free_many(batch, fault) ? 1 : 0; }) != 0)
    for (const Address payload : highest_first) on_free(payload);
  follow_lists();
}

// A pinned block is reported first; then the first wrong address; then the first repeated one.
std::pair<FaultKind, FaultKind> CheckedHeap::fault_of_batch(
    const std::vector<Address>& payloads) const {
  FaultKind bad = FaultKind::none;
  FaultKind or_else = FaultKind::none;
  std::map<Address, int> times;
  bool twice = false;
  for (const Address payload : payloads) {
    if (payload == 0) continue;
    const FaultKind kind = model_.fault_of_pointer(payload);
    if (kind == FaultKind::pinned) return {kind, kind};
    twice = twice || ++times[payload] == 2;
    if (bad != FaultKind::none || kind == FaultKind::none) continue;
    bad = kind;
    or_else = or_double_free(kind, payload);
  }
  if (bad == FaultKind::none && twice) bad = or_else = FaultKind::double_free;
  return {bad, or_else};
}

// --- Bookkeeping. -------------------------------------------------------------------------------

void CheckedHeap::expect_placed(Address payload, Size size, Size align) const {
  require(std::bit_cast<Address>(at(payload)) % align == 0, "a payload is aligned in memory too");
  require(model_.may_place(payload, size, align), "a block is at the low end of a free one");
  require(overwritten_ || !model_.is_exact() || payload == model_.place(size, align),
          "a block is where the policy places it");
}

// Fills the new block with bytes that no other block has.
void CheckedHeap::on_allocate(Address payload, Size size, Size align) {
  expect_placed(payload, size, align);
  Allocation& block = model_.malloc(payload, size);
  block.content.resize(std::min(size, most_content));
  for (Size i = 0; i < block.content.size(); ++i)
    block.content[i] = static_cast<std::byte>(block.id * 31 + i * 7 + 1);
  std::ranges::copy(block.content, at(payload));
}

void CheckedHeap::on_realloc(Address payload, Address now, Size size, Size align) {
  const bool stays = model_.stays_in_place(payload, size, align);
  require((payload == now) == stays, "a block is resized in place if and only if it can be");
  if (!stays) expect_placed(now, size, align);
  const Allocation was = model_.live().at(payload);
  const Chunk old{payload - model_.front(), was.extent};
  Allocation& block = model_.realloc(payload, now, size);
  const Size kept = std::min(was.content.size(), size);
  // The header says how much is copied: if it was forged, the payload may be incomplete.
  require(overwritten_ || std::equal(at(now), at(now) + kept, was.content.begin()),
          "a payload moves with its block");
  block.content.assign(at(now), at(now) + std::min(size, most_content));
  if (!stays) expect_filled(old);
}

void CheckedHeap::on_free(Address payload) {
  if (payload == 0) return;
  const Allocation& block = model_.live().at(payload);
  require(block.pins == 0, "only a live block without pins is freed");
  const Chunk freed{payload - model_.front(), block.extent};
  model_.free(payload);
  expect_filled(freed);
  if (freed_.size() == most_freed) freed_.erase(freed_.begin());
  freed_.push_back(payload);
}

// With zero_on_free or debug checks nothing is left of a freed block; the node at the start of a
// free block is the heap's own.
void CheckedHeap::expect_filled(Chunk freed) const {
  if (!model_.options().zero_on_free && !has_debug_checks(model_.options())) return;
  const std::byte fill = fill_of(model_.options());
  for (const BlockInfo& block : walk()) {
    const Address end = std::min(freed.end(), block.start + block.extent);
    for (Address byte = std::max(freed.start, block.start + granule_size); byte < end; ++byte)
      require(peek(*at(byte)) == fill, "freed bytes are filled");
  }
}

// If the lists in the region were overwritten, and free blocks coalesce in list order, what was
// merged depends on those lists.
void CheckedHeap::follow_lists() {
  if (overwritten_ && !coalesces_fully(model_.options())) model_.adopt_free(walk());
}

// --- The whole heap. ----------------------------------------------------------------------------

void CheckedHeap::reset() {
  compare_payloads();
  const bool pinned = model_.any_pinned();
  const std::optional<HeapView> before = pinned ? std::optional(view()) : std::nullopt;
  Fault fault;
  require(heap_->reset(fault) != pinned, "a heap is reset if and only if nothing is pinned");
  if (pinned) {
    require(fault.kind == FaultKind::pinned, "reset is refused as pinned");
    return expect_unchanged(*before, fault);
  }
  if (overwritten_) model_.adopt_peaks(view().stats);
  model_.reset();
  ++epoch_;
  overwritten_ = damaged_ = detectable_ = false;
  require(heap_->free_list(fault) == first_list_, "reset restores the fresh heap");
}

void CheckedHeap::close() {
  Fault fault;
  if (model_.any_pinned()) {
    require(!heap_->close(fault) && fault.kind == FaultKind::pinned, "a pinned heap stays open");
    while (model_.any_pinned()) unpin_lowest();
  }
  fault = {};
  require(heap_->close(fault) && !fault && heap_->closed(), "a heap can be closed");
  require(heap_->malloc(1, granule_size, fault) == 0 && fault.kind == FaultKind::heap_closed,
          "a closed heap serves no request");
}

}  // namespace glassheap
