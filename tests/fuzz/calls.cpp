// calls.cpp: the calls of a CheckedHeap that allocate and free, and the checks of every call.

#include "checked_heap.hpp"

namespace glassheap::fuzzing {
namespace {

constexpr std::size_t most_freed = 16;

std::unique_ptr<Heap> open(const Options& options) {
  Fault fault;
  std::unique_ptr<Heap> heap = Heap::open(options, fault);
  require(heap != nullptr, "these options open a heap");
  return heap;
}

bool is_zero(const std::byte* first, Size size) {
  return std::all_of(first, first + size, [](std::byte b) { return b == std::byte{}; });
}

}  // namespace

CheckedHeap::CheckedHeap(const Options& options)
    : heap_(open(options)),
      gap_(heap_->address()),
      oracle_(*heap_),
      first_list_(HeapView(*heap_).free_list) {}

// --- Checks. ------------------------------------------------------------------------------------

// Makes a call that must have the result `expected`, `none` being success, or else `or_else`.
// Returns true if it was served.
bool CheckedHeap::change(const HeapView& before, FaultKind expected, FaultKind or_else,
                         const Call& call) {
  Fault fault;
  const bool served = call(fault);
  require(served == !fault, "a call is refused if and only if it fills in the fault");
  if (!served) expect_unchanged(before, fault);
  if (was_damaged(fault)) return false;
  // A policy that cannot follow its overwritten lists may find no block.
  const bool short_of_memory = fault.kind == FaultKind::out_of_memory;
  const bool as_overwritten =
      overwritten_ &&
      (is_corruption(fault.kind) || (!served && expected == FaultKind::none && short_of_memory));
  require(fault.kind == expected || fault.kind == or_else || as_overwritten,
          "a call has the correct result");
  if (served) compare_blocks();
  return served;
}

// Makes a call that changes nothing, whatever its result is. Returns its answer.
bool CheckedHeap::ask(FaultKind expected, FaultKind or_else, const Call& question) {
  const HeapView before = view();
  Fault fault;
  const bool answer = question(fault);
  require(same(before, view()), "a question changes nothing");
  if (fault) examine(fault);
  if (is_corruption(fault.kind)) damaged_ = true;
  const bool as_overwritten = overwritten_ && is_corruption(fault.kind);
  require(fault.kind == expected || fault.kind == or_else || as_overwritten,
          "a question has the correct answer");
  return answer;
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
  require(same(before, after), "a refused call changes nothing");
  const std::uint64_t more = fault.kind == FaultKind::out_of_memory ? 1 : 0;
  require(after.stats.failures == before.stats.failures + more, "failures are counted");
  examine(fault);
}

void CheckedHeap::examine(const Fault& fault) const {
  require(!sentence(fault).empty() && *name_of(fault.kind) != 0, "a fault has a sentence");
  if (!is_corruption(fault.kind)) return;
  require(overwritten_, "corruption is found only if bytes were overwritten");
  require(fault.offset < heap_->size(), "corruption is inside the region");
}

// --- Single calls. ------------------------------------------------------------------------------

void CheckedHeap::malloc(Size size, Size align) {
  const HeapView before = view();
  Address payload = 0;
  const FaultKind expected = oracle_.fault_of_request(before, size, align);
  const bool served = change(before, expected, [&](Fault& fault) {
    payload = heap_->malloc(size, align, fault);
    if (payload != 0) on_allocate(payload, size);
    return payload != 0;
  });
  if (served) require(payload % std::max(align, granule_size) == 0, "a payload is aligned");
}

void CheckedHeap::calloc(Size count, Size size) {
  Size total = 0;
  if (__builtin_mul_overflow(count, size, &total)) total = ~Size{0};
  const HeapView before = view();
  change(before, oracle_.fault_of_request(before, total, granule_size), [&](Fault& fault) {
    const Address payload = heap_->calloc(count, size, fault);
    if (payload == 0) return false;
    require(is_zero(bytes(payload), total), "calloc returns zeros");
    on_allocate(payload, total);
    return true;
  });
}

void CheckedHeap::free(Address payload) {
  const HeapView before = view();
  const FaultKind expected =
      payload == 0 ? FaultKind::none : oracle_.fault_of_pointer(before, payload);
  change(before, expected, or_double_free(before, expected, payload), [&](Fault& fault) {
    if (!heap_->free(payload, fault)) return false;
    if (payload != 0) on_free(payload);
    return true;
  });
}

void CheckedHeap::realloc(Address payload, Size size, Size align) {
  const HeapView before = view();
  const FaultKind expected = payload == 0 ? oracle_.fault_of_request(before, size, align)
                                          : oracle_.fault_of_realloc(before, payload, size, align);
  change(before, expected, or_double_free(before, expected, payload), [&](Fault& fault) {
    const Address now = heap_->realloc(payload, size, align, fault);
    if (now != 0) on_realloc(before, payload, now, size, align);
    return now != 0;
  });
}

// For some wrong addresses double_free is correct too.
FaultKind CheckedHeap::or_double_free(const HeapView& before, FaultKind expected,
                                      Address payload) const {
  const bool wrong =
      expected == FaultKind::interior_pointer || expected == FaultKind::foreign_pointer;
  return wrong && oracle_.may_be_double_free(before, payload) ? FaultKind::double_free : expected;
}

// --- Batches. -----------------------------------------------------------------------------------

void CheckedHeap::malloc_many(const std::vector<Size>& sizes) {
  std::vector<Address> payloads(sizes.size());
  const HeapView before = view();
  Fault fault;
  const bool served = heap_->malloc_many(sizes, payloads, fault);
  require(served == !fault, "a batch is refused if and only if it fills in the fault");
  if (!served) {
    expect_unchanged(before, fault);
    if (!was_damaged(fault)) expect_short(before, sizes, fault);
    return;
  }
  require(!damaged_, "a damaged heap serves no batch");
  for (std::size_t i = 0; i < sizes.size(); ++i) on_allocate(payloads[i], sizes[i]);
  compare_blocks();
}

// The first request of a batch has the heap of before the call; the later ones have less memory.
void CheckedHeap::expect_short(const HeapView& before, const std::vector<Size>& sizes,
                               const Fault& fault) const {
  require(fault.kind == FaultKind::out_of_memory || (overwritten_ && is_corruption(fault.kind)),
          "a batch is refused for lack of memory");
  require(fault.index < sizes.size(), "the fault of a batch has the index of the request");
  require(fault.kind != FaultKind::out_of_memory ||
              (fault.argument == sizes[fault.index] &&
               fault.shortage.available == before.stats.available &&
               fault.shortage.largest == before.stats.largest_free),
          "a shortage describes the heap after the rollback");
  const bool fits = oracle_.fault_of_request(before, sizes[0], granule_size) == FaultKind::none;
  require(overwritten_ || fault.index != 0 || !fits, "the first of a batch is served as if alone");
}

void CheckedHeap::free_many(const std::vector<Address>& payloads) {
  const HeapView before = view();
  const auto [expected, or_else] = fault_of_batch(before, payloads);
  std::vector<Address> batch = payloads;
  change(before, expected, or_else, [&](Fault& fault) {
    if (!heap_->free_many(batch, fault)) return false;
    for (const Address payload : payloads) {
      if (payload != 0) on_free(payload);
    }
    return true;
  });
}

// A pinned block is reported first; then the first wrong address; then the first repeated one.
std::pair<FaultKind, FaultKind> CheckedHeap::fault_of_batch(
    const HeapView& before, const std::vector<Address>& payloads) const {
  FaultKind bad = FaultKind::none;
  FaultKind or_else = FaultKind::none;
  std::map<Address, int> times;
  bool twice = false;
  for (const Address payload : payloads) {
    if (payload == 0) continue;
    const FaultKind kind = oracle_.fault_of_pointer(before, payload);
    if (kind == FaultKind::pinned) return {kind, kind};
    twice = twice || ++times[payload] == 2;
    if (bad != FaultKind::none || kind == FaultKind::none) continue;
    bad = kind;
    or_else = or_double_free(before, kind, payload);
  }
  if (bad == FaultKind::none && twice) bad = or_else = FaultKind::double_free;
  return {bad, or_else};
}

// --- Bookkeeping. -------------------------------------------------------------------------------

// Fills the new block with bytes that no other block has.
void CheckedHeap::on_allocate(Address payload, Size size) {
  require(!oracle_.live.contains(payload), "no address is allocated twice");
  require(payload >= oracle_.origin() + oracle_.front() && size <= oracle_.end() - payload,
          "a payload is inside the region");
  Allocation& allocation = oracle_.record(payload, size);
  allocation.content.resize(size);
  for (Size i = 0; i < size; ++i)
    allocation.content[i] = static_cast<std::byte>(allocation.id * 31 + i * 7 + 1);
  if (size != 0) std::memcpy(bytes(payload), allocation.content.data(), size);
}

void CheckedHeap::on_realloc(const HeapView& before, Address payload, Address now, Size size,
                             Size align) {
  if (payload == 0) return on_allocate(now, size);
  require(oracle_.live.contains(payload), "only a live block is resized");
  require((payload == now) == oracle_.stays_in_place(before, payload, size, align),
          "a block is resized in place if and only if it can be");
  const Allocation was = std::move(oracle_.live.at(payload));
  oracle_.live.erase(payload);
  Allocation& allocation = oracle_.record(now, size);
  if (payload == now) allocation.id = was.id;
  const Size kept = std::min(was.size, size);
  // The header says how much is copied: if it was forged, the payload may be incomplete.
  if (!overwritten_) require(has(now, was.content, kept), "a payload moves with its block");
  allocation.content.assign(bytes(now), bytes(now) + size);
}

void CheckedHeap::on_free(Address payload) {
  const auto known = oracle_.live.find(payload);
  require(known != oracle_.live.end() && known->second.pins == 0,
          "only a live block without pins is freed");
  if (oracle_.options().zero_on_free || has_debug_checks(oracle_.options()))
    expect_filled(known->second);
  oracle_.live.erase(known);
  if (freed_.size() == most_freed) freed_.erase(freed_.begin());
  freed_.push_back(payload);
}

// Nothing is left of a freed block; the node at the start of a free block is the heap's own.
void CheckedHeap::expect_filled(const Allocation& freed) const {
  const HeapView now = view();
  const bool zero = oracle_.options().zero_on_free;
  const std::byte fill{static_cast<unsigned char>(zero ? 0 : GLASSHEAP_FREED)};
  for (Size i = 0; i < freed.extent; ++i) {
    const Address at = freed.start + i;
    const BlockInfo* const block = now.block_at(at);
    require(at - block->start < granule_size || now.bytes[at - heap_->base()] == fill,
            "freed bytes are filled");
  }
}

// --- The whole heap. ----------------------------------------------------------------------------

void CheckedHeap::reset() {
  compare_payloads();
  const HeapView before = view();
  Fault fault;
  const bool served = heap_->reset(fault);
  require(served == !oracle_.any_pinned(), "a heap is reset if and only if nothing is pinned");
  if (!served) {
    require(fault.kind == FaultKind::pinned, "reset is refused as pinned");
    return expect_unchanged(before, fault);
  }
  oracle_.live.clear();
  ++epoch_;
  overwritten_ = damaged_ = detectable_ = false;
  const HeapView now = view();
  require(std::ranges::equal(now.free_list, first_list_,
                             [](const auto& a, const auto& b) { return same(a, b); }),
          "reset restores the fresh heap");
  inspect();
}

void CheckedHeap::close() {
  Fault fault;
  if (oracle_.any_pinned()) {
    require(!heap_->close(fault) && fault.kind == FaultKind::pinned, "a pinned heap stays open");
    while (oracle_.any_pinned()) unpin_lowest();
  }
  fault = {};
  require(heap_->close(fault) && !fault && heap_->closed(), "a heap can be closed");
  require(heap_->malloc(1, granule_size, fault) == 0 && fault.kind == FaultKind::heap_closed,
          "a closed heap serves no request");
}

}  // namespace glassheap::fuzzing
