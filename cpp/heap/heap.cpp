#include "glassheap/heap.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/claim.hpp"
#include "core/policy_list.hpp"
#include "heap/check_options.hpp"
#include "heap/scoped_access.hpp"

// Heap: opening and closing, blocks by address, batches. handles.cpp and reports.cpp have the rest.

namespace glassheap {
namespace {

// Where addresses are counted from another base, the region stands at a place where every alignment
// that holds for an address holds for the real place too.
Region map_region(const Options& options) noexcept {
  if (!options.base) return Region::map(core_size(options), granule_size, 0, options.huge_pages);
  const Size size = round_up(options.size, granule_size);
  const Size alignment = Addressing::largest_align(size);
  return Region::map(size, alignment, *options.base, options.huge_pages);
}

Region borrow_region(std::span<std::byte> span, const Options& options) noexcept {
  if (!options.base) return Region::borrow_with_sentinel(span, granule_size, 0);
  const Size alignment = Addressing::align_within(span.size());
  return Region::borrow_with_sentinel(span, alignment, *options.base);
}

std::span<const std::byte> region_of(const Heap& heap) noexcept {
  return {std::bit_cast<const std::byte*>(heap.address()), heap.size()};
}

std::unique_ptr<HeapState> make_state(Options options, Region region) {
  if (options.granule) options.headers = false;
  const Size unused = options.unused();
  std::unique_ptr<CoreInterface> core =
      make_core({region.data() + unused, region.size() - unused}, options);
  core->seed();
  return std::make_unique<HeapState>(options, std::move(region), std::move(core), nullptr);
}

}  // namespace

// --- Opening and closing. ----------------------------------------------------------------------

std::unique_ptr<Heap> Heap::open(const Options& options, Fault& fault) {
  if (!check_options(options, fault)) return nullptr;
  Region region = map_region(options);
  if (!region) {
    fault = {.kind = FaultKind::no_pages, .argument = options.size};
    return nullptr;
  }
  std::unique_ptr<Recording> recording = Recording::create(options, fault);
  if (fault) return nullptr;
  std::unique_ptr<HeapState> state = make_state(options, std::move(region));
  state->record_to(std::move(recording));
  std::unique_ptr<Heap> heap(new Heap(std::move(state)));
  Recording::keep(heap->state_->recording.get());
  return heap;
}

std::unique_ptr<Heap> Heap::over(std::span<std::byte> span, std::shared_ptr<void> keeper,
                                 const Options& options, Fault& fault, const Heap* outer) {
  Region region = borrow_region(span, options);
  Options sized = options;
  sized.size = region.size();
  if (!check_options(sized, fault) || !check_borrowing(sized, fault)) return nullptr;
  const std::span around = outer == nullptr ? std::span<const std::byte>() : region_of(*outer);
  region.keep(claim_bytes(span, ClaimKind::own_heap, std::move(keeper), fault, around));
  if (fault) return nullptr;
  std::unique_ptr<Recording> recording = Recording::create(options, fault);
  if (fault) return nullptr;  // no byte of the span has been written
  std::unique_ptr<HeapState> state = make_state(sized, std::move(region));
  state->record_to(std::move(recording));
  state->region.write_sentinel();
  std::unique_ptr<Heap> heap(new Heap(std::move(state)));
  Recording::keep(heap->state_->recording.get());
  return heap;
}

Heap::Heap(std::unique_ptr<HeapState> state) noexcept
    : state_(std::move(state)), records_(state_->recording != nullptr) {}

Heap::~Heap() = default;

bool Heap::reset(Fault& fault) noexcept {
  return state_->read(fault, [&](HeapState& heap) {
    if (heap.pins.any_block()) {
      fault = {.kind = heap.kind_of_pin(), .address = heap.addresses.address_of(heap.pins.first())};
      return false;
    }
    if (!heap.reset_core(fault)) return false;
    if (heap.quarantine != nullptr) heap.quarantine->clear();
    heap.region.write_sentinel();
    if (heap.hooks != nullptr) heap.hooks->on_reset();
    heap.mark_sound();
    ++heap.shared.epoch;
    if (heap.recording != nullptr) heap.recording->add_reset();
    return true;
  });
}

bool Heap::close(Fault& fault) noexcept {
  Region closed;  // its keeper may run any code, and so lets go when the lock is free again
  const Guard guard(state_->lock);
  if (!guard) {
    fault.kind = guard.refusal();
    return false;
  }
  const Pins& pins = state_->pins;
  if (pins.any()) {
    const Address pinned = pins.any_block() ? state_->addresses.address_of(pins.first()) : 0;
    fault = {.kind = state_->kind_of_pin(), .address = pinned};
    return false;
  }
  if (!state_->shut_caches(fault)) return false;
  state_->inside = nullptr;
  state_->dismiss_line();
  state_->core.reset();
  state_->quarantine.reset();
  state_->recording.reset();
  closed = std::move(state_->region);
  if (state_->hooks != nullptr) state_->hooks->on_close();
  return true;
}

bool Heap::closed() noexcept {
  const Guard guard(state_->lock, WaitMode::uninterrupted);
  return state_->core == nullptr;
}

Size Heap::size() const noexcept { return state_->addresses.size(); }
Address Heap::base() const noexcept { return state_->addresses.base(); }
Address Heap::address() const noexcept { return state_->addresses.real(); }
Size Heap::align_limit() const noexcept { return state_->addresses.align_limit(); }
Size Heap::default_align() const noexcept { return state_->default_align; }
Size Heap::granule() const noexcept { return state_->addresses.units().granule(); }
bool Heap::has_bytes() const noexcept { return state_->addresses.has_bytes(); }
const Options& Heap::options() const noexcept { return state_->options; }

// --- Blocks by address. ------------------------------------------------------------------------

Address Heap::malloc(Size size, Fault& fault) noexcept {
  return state_->malloc_call.load(std::memory_order_relaxed)(*state_, size, fault);
}

Address Heap::malloc(Size size, Size align, Fault& fault) noexcept {
  if (align != state_->default_align) [[unlikely]]
    return state_->malloc(size, align, fault);
  return state_->malloc_call.load(std::memory_order_relaxed)(*state_, size, fault);
}

Address Heap::calloc(Size count, Size size, Fault& fault) noexcept {
  return state_->write(fault, [&](HeapState& heap) -> Address {
    if (!heap.check_bytes(fault)) return 0;
    Size total = 0;
    if (__builtin_mul_overflow(count, size, &total)) total = std::numeric_limits<Size>::max();
    const Block block = heap.allocate(total, granule_size, fault);
    if (block) {
      const Addressing& addresses = heap.addresses;
      std::memset(addresses.data(addresses.payload_of(block)), 0, heap.usable(block, total));
    }
    return heap.note_malloc({total, heap.default_align}, heap.hand_out(block, 0, fault), fault);
  });
}

Address Heap::realloc(Address payload, Size size, Size align, Fault& fault) noexcept {
  if (state_->addresses.is_null(payload)) return malloc(size, align, fault);
  return state_->write(fault, [&](HeapState& heap) -> Address {
    const Asked asked{size, align};
    if (!heap.addresses.check_align(align, fault)) return 0;
    const Offset old = heap.addresses.offset_of(payload);
    const bool noted = heap.is_noted(old);  // a shared heap forgets the owner of a freed block
    Block block;
    if (heap.check_unpinned(old, fault)) block = heap.reallocate(old, size, align, fault);
    return heap.note_realloc(payload, asked, heap.hand_over(old, noted, block, fault), fault);
  });
}

bool Heap::free(Address payload, Fault& fault) noexcept {
  return state_->free_call(*state_, payload, fault);
}

Size Heap::usable_size(Address payload, Fault& fault) noexcept {
  return state_->read(fault, [&](HeapState& heap) -> Size {
    LiveBlock live;
    return heap.find(payload, live, fault) ? heap.usable(live.block, live.size) : 0;
  });
}

// --- Batches. ----------------------------------------------------------------------------------

namespace {

// The sizes in the core's units; with `scratch` for them, if these are others.
std::span<const Size> to_core(const Units& units, std::span<const Size> sizes,
                              std::span<Size> scratch) noexcept {
  if (units.agree()) return sizes;
  std::ranges::transform(sizes, scratch.begin(), [&](Size size) { return units.to_core(size); });
  return scratch.first(sizes.size());
}

// As CoreInterface::allocate_many, at an alignment of the core. If it is refused, it frees what it
// has allocated, in reverse.
bool allocate_aligned(HeapState& heap, std::span<const Size> sizes, Size align,
                      std::span<Offset> payloads, std::size_t& refused, Fault& fault) noexcept {
  for (refused = 0; refused < sizes.size(); ++refused) {
    const Block block = heap.core->allocate(sizes[refused], align, fault);
    if (!block) break;
    payloads[refused] = heap.addresses.payload_of(block);
  }
  if (refused == sizes.size()) return true;
  Fault ignored;  // the blocks are sound: they were allocated just now
  for (std::size_t i = refused; i-- != 0;) heap.core->release(payloads[i], ignored);
  return false;
}

bool allocate_many(HeapState& heap, std::span<const Size> sizes, std::span<Address> addresses,
                   std::size_t& refused, Fault& fault) {
  const Units& units = heap.addresses.units();
  const std::span<const Size> needs = to_core(units, sizes, addresses);
  const Size align = units.align_to_core(heap.default_align);
  if (align == granule_size) return heap.core->allocate_many(needs, addresses, refused, fault);
  return allocate_aligned(heap, needs, align, addresses, refused, fault);
}

}  // namespace

bool Heap::malloc_many(std::span<const Size> sizes, std::span<Address> addresses, Fault& fault) {
  return state_->write(fault, [&](HeapState& heap) {
    std::size_t refused = 0;
    const auto allocate = [&] { return allocate_many(heap, sizes, addresses, refused, fault); };
    if (!allocate() && !(heap.may_try_again(fault) && allocate())) {
      HeapState::blame_size(sizes[refused], fault);
      heap.refuse(fault, 0);
      fault.index = refused;
      heap.note_refused_batch(sizes.first(refused + 1), fault);
      return false;
    }
    if (heap.quarantine != nullptr) heap.quarantine->note_peak(heap.core->counters().requested);
    heap.note(addresses);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      addresses[i] = heap.addresses.address_of(addresses[i]);
      heap.note_malloc({sizes[i], heap.default_align}, addresses[i], fault);
    }
    return true;
  });
}

bool Heap::free_many(std::span<Address> addresses, Fault& fault) {
  std::size_t count = 0;
  for (const Address address : addresses) {
    addresses[count] = state_->addresses.offset_of(address);
    count += state_->addresses.is_null(address) ? 0 : 1;
  }
  const std::span<Offset> payloads = addresses.first(count);
  return state_->write(fault, [&](HeapState& heap) {
    std::size_t refused = 0;
    if (!heap.release_many(payloads, refused, fault)) {
      heap.refuse(fault, heap.addresses.address_of(payloads[refused]));
      fault.index = refused;
      return false;
    }
    if (heap.hooks != nullptr) {
      for (const Offset payload : payloads) heap.hooks->on_free(payload);
    }
    heap.note_frees(payloads);
    return true;
  });
}

}  // namespace glassheap
