#include "heap/scoped_access.hpp"

#include "heap/offset_calls.hpp"

namespace glassheap {
namespace {

Address malloc_carefully(FrontLine& front, Size size, Fault& fault) noexcept {
  return static_cast<HeapState&>(front).malloc(size, front.default_align, fault);
}

bool free_carefully(FrontLine& front, Address payload, Fault& fault) noexcept {
  return static_cast<HeapState&>(front).free(payload, fault);
}

constexpr FrontCalls careful_calls{.malloc = malloc_carefully, .free = free_carefully};

// With a cache for each thread: what the cache does not serve goes to the careful pair. A block
// that is too large for it does not take that way, nor does its malloc.
Address malloc_cached(FrontLine& front, Size size, Fault& fault) noexcept {
  auto& heap = static_cast<HeapState&>(front);
  if (size > ThreadCaches::largest) return heap.caches->uncached().malloc(front, size, fault);
  const Offset payload = heap.caches->take(size);
  return payload != nowhere ? front.origin + payload : front.careful->malloc(front, size, fault);
}

bool free_cached(FrontLine& front, Address payload, Fault& fault) noexcept {
  return static_cast<HeapState&>(front).caches->keep(payload - front.origin) ||
         front.careful->free(front, payload, fault);
}

constexpr FrontCalls cached_calls{.malloc = malloc_cached, .free = free_cached};

// In a heap that keeps tags. The careful call notes the block itself, and then it is noted twice.
Address malloc_noted(FrontLine& front, Size size, Fault& fault) noexcept {
  const Address address = front.plain_malloc(front, size, fault);
  const auto& heap = static_cast<HeapState&>(front);
  if (address != 0 || heap.hands_out_zero(fault)) [[likely]]
    heap.note(heap.addresses.offset_of(address));
  return address;
}

// The plain or the cached pair; null if the heap has neither. Neither records.
const FrontCalls* fast_calls(const Options& options, const CoreInterface& core) noexcept {
  if (options.record) return nullptr;
  return options.thread_cache ? &cached_calls : core.front_calls();
}

// True if malloc and free go through the pair of an offset heap.
bool translates(const Options& options) noexcept { return options.granule && !options.record; }

const FrontCalls* front_calls(const Options& options, const CoreInterface& core) noexcept {
  return translates(options) ? &offset_calls(options) : fast_calls(options, core);
}

Size default_align_of(const Options& options) noexcept {
  return options.align.value_or(options.granule.value_or(granule_size));
}

}  // namespace

HeapState::HeapState(const Options& wanted, Region bytes, std::unique_ptr<CoreInterface> made,
                     std::unique_ptr<SharingHooks> events)
    : FrontLine(wanted.threads, front_calls(wanted, *made),
                translates(wanted) ? calls_not_done : careful_calls, default_align_of(wanted)),
      options(wanted),
      region(std::move(bytes)),
      addresses(options, region),
      core(std::move(made)),
      fast(fast_calls(wanted, *core)) {
  hooks = std::move(events);
  origin = addresses.has_bytes() ? addresses.address_of(0) : offset_origin;
  if (options.thread_cache) caches = std::make_unique<ThreadCaches>(*core, options.threads);
  if (options.tags) start_ledger();
  mark_sound();
  if (options.quarantine == 0) return;
  const std::byte fill{options.zero_on_free ? std::uint8_t{0} : std::uint8_t{GLASSHEAP_FREED}};
  quarantine = std::make_unique<Quarantine>(options.quarantine, region.size(), fill);
}

Address HeapState::malloc(Size size, Size align, Fault& fault) noexcept {
  std::construct_at(&fault);
  return write(fault, [&](HeapState& heap) { return heap.malloc_inside(size, align, fault); });
}

Address HeapState::malloc_inside(Size size, Size align, Fault& fault) noexcept {
  const Asked asked{size, align};
  if (!addresses.check_align(align, fault)) return 0;
  if (caches != nullptr && caches->is_suspect() && !empty_caches(fault)) return 0;
  return note_malloc(asked, hand_out(allocate(size, align, fault), 0, fault), fault);
}

bool HeapState::free(Address payload, Fault& fault) noexcept {
  std::construct_at(&fault);
  return write(fault, [&](HeapState& heap) {
    return heap.addresses.is_null(payload) ||
           heap.release(heap.addresses.offset_of(payload), fault);
  });
}

void HeapState::start_ledger() {
  kept_ledger_ = std::make_unique<Ledger>(region.size(), options.threads);
  ledger.store(kept_ledger_.get(), std::memory_order_release);
  if (has_plain_calls()) malloc_call.store(malloc_noted, std::memory_order_release);
}

void HeapState::note(std::span<const Offset> payloads) const noexcept {
  Ledger* const kept = ledger.load(std::memory_order_acquire);
  if (kept == nullptr) return;
  const Tick now = kept->now();
  for (const Offset payload : payloads) kept->note(payload, now);
}

// In a shared heap, the entry of a block that another process has allocated is that of an earlier
// block.
void HeapState::note_moved(Offset from, bool was_noted, Offset to) const noexcept {
  Ledger* const kept = ledger.load(std::memory_order_acquire);
  if (kept == nullptr) return;
  if (was_noted) {
    kept->move(from, to);
  } else {
    kept->note(to);
  }
}

bool HeapState::lookup(Offset payload, LiveBlock& live, Fault& fault) const noexcept {
  if (quarantine == nullptr || !quarantine->contains(payload)) [[likely]]
    return withdraw(payload, fault) && core->find(payload, live, fault);
  fault = {.kind = FaultKind::double_free};
  return false;
}

bool HeapState::find(Address payload, LiveBlock& live, Fault& fault) noexcept {
  if (lookup(addresses.offset_of(payload), live, fault)) return true;
  return refuse(fault, payload);
}

// A handle is stale for every reason that would refuse its address, but for corruption.
bool HeapState::find(const Handle& handle, LiveBlock& live, Fault& fault) noexcept {
  const bool found =
      handle.epoch == shared.epoch && lookup(addresses.offset_of(handle.address), live, fault);
  if (found && live.serial == handle.serial) return true;
  if (!is_corruption(fault.kind)) fault = {.kind = FaultKind::stale_handle};
  return refuse(fault, handle.address);
}

Address HeapState::hand_over(Offset old, bool was_noted, Block block, Fault& fault) noexcept {
  if (block && addresses.payload_of(block) != old) {
    note_moved(old, was_noted, addresses.payload_of(block));
    if (hooks != nullptr) hooks->on_free(old);
  }
  return pass_on(block, addresses.address_of(old), fault);
}

bool HeapState::is_free_for_caller(Offset payload) const noexcept {
  return (quarantine != nullptr && quarantine->contains(payload)) ||
         (caches != nullptr && caches->is_cached(payload));
}

// What was overwritten in the caches is free after a reset.
bool HeapState::reset_core(Fault& fault) noexcept {
  const EmptyCaches empty(*this);
  if (!empty) return blame(FaultKind::heap_busy, fault), false;
  core->reset();
  if (caches != nullptr) caches->withdraw_all();
  return true;
}

bool HeapState::shut_caches(Fault& fault) noexcept {
  const EmptyCaches empty(*this);
  if (!empty) return blame(FaultKind::heap_busy, fault), false;
  if (caches != nullptr) caches->shut();
  return true;
}

bool HeapState::empty_caches(Fault& fault) noexcept {
  const EmptyCaches empty(*this);
  fault = empty.damage();
  if (!empty) blame(FaultKind::heap_busy, fault);
  return !fault;
}

EmptyCaches::EmptyCaches(HeapState& heap) noexcept
    : caches_(heap.core == nullptr ? nullptr : heap.caches.get()),
      locked_(caches_ == nullptr || caches_->lock_slots()) {
  if (caches_ == nullptr || !locked_) return;
  Offset refused = 0;
  damage_ = caches_->drain(refused);
  if (damage_) heap.refuse(damage_, heap.addresses.address_of(refused));
}

EmptyCaches::~EmptyCaches() {
  if (caches_ != nullptr && locked_) caches_->unlock_slots();
}

bool HeapState::stays_in_place(Offset old, Size size, Size align, Fault& fault) const noexcept {
  LiveBlock live;
  if (!core->find(old, live, fault)) return false;
  if (core->fits_in_place(live.block, addresses.units().to_core(size), align)) return true;
  fault = {.kind = FaultKind::must_move, .argument = size};
  return false;
}

namespace {

// Some places in the region, and behind it, the core takes for others.
FaultKind as_caller_sees(FaultKind kind, const Addressing& addresses, Address payload) noexcept {
  if (kind != FaultKind::foreign_pointer && kind != FaultKind::misaligned_pointer) return kind;
  return addresses.is_misaligned(payload) ? FaultKind::misaligned_pointer
                                          : FaultKind::foreign_pointer;
}

}  // namespace

bool HeapState::refuse(Fault& fault, Address payload) noexcept {
  fault.kind = as_caller_sees(fault.kind, addresses, payload);
  if (fault.kind == FaultKind::interior_pointer && is_free_for_caller(fault.owner))
    fault.kind = FaultKind::double_free;
  addresses.complete(fault);
  fault.address = payload;
  fault.owner = addresses.address_of(fault.owner);
  if (is_corruption(fault.kind)) mark_damaged();
  if (fault.kind == FaultKind::out_of_memory) {
    fault.shortage.align = addresses.units().to_caller(fault.shortage.align);
    fault.shortage.available = addresses.units().to_caller(core->available());
    fault.shortage.largest = on_offer(core->largest());
    fault.shortage.free_blocks = core->map().free_blocks();
  }
  refusals.count(fault);
  return false;
}

bool HeapState::may_try_again(Fault& fault) noexcept {
  if (fault.kind != FaultKind::out_of_memory) return false;
  if (quarantine != nullptr) return empty_quarantine(fault);
  if (caches == nullptr) return false;
  Fault found;
  if (!empty_caches(found)) {
    if (found.kind != FaultKind::heap_busy) fault = found;
    return false;
  }
  fault = {};
  ++caches->failures;
  return true;
}

FaultKind HeapState::enter_late(FaultKind refusal) noexcept {
  Wait wait(hooks == nullptr ? 0 : hooks->timeout());
  while (refusal == FaultKind::lock_timeout) {
    lock.unlock();
    refusal = wait.nap([this](Wait::Duration longest) { hooks->nap(longest); });
    if (refusal == FaultKind::none) refusal = lock.lock();
    if (refusal != FaultKind::none) return refusal;
    refusal = try_enter();
  }
  if (refusal != FaultKind::none) lock.unlock();
  return refusal;
}

BlockInfo HeapState::info(const BlockView& view) const noexcept {
  const bool waits =
      quarantine != nullptr && view.live && quarantine->contains(addresses.payload_of(view.block));
  return {.start = addresses.address_of(view.block.start),
          .address = addresses.payload_address(view.block),
          .size = waits ? 0 : addresses.units().to_caller(view.size),
          .extent = addresses.units().to_caller(view.block.extent),
          .live = view.live && !waits,
          .serial = waits ? std::uint16_t{0} : view.serial};
}

}  // namespace glassheap
