#include "glassheap/heap.hpp"

#include <bit>
#include <cstring>

namespace glassheap {
namespace {

// The largest alignment that a region of `size` bytes is asked to serve: a quarter of it.
Size largest_align(Size size) noexcept { return std::max(granule_size, std::bit_floor(size / 4)); }

// An alignment is to hold for what a caller sees and for the real place: they differ by a multiple
// of it.
Size largest_align_between(Address real, Address base, Size size) noexcept {
  const Address apart = real - base;
  const Size most = largest_align(size);
  return apart == 0 ? most : std::min(most, apart & (~apart + 1));
}

// The first option of sequential_fit's that another policy is given: 0 fit, 1 order, 2 coalesce.
std::optional<std::uint64_t> unwanted(const Options& options) noexcept {
  if (takes_sequence(options.policy)) return std::nullopt;
  if (options.fit) return 0;
  if (options.order) return 1;
  if (options.coalesce) return 2;
  return std::nullopt;
}

// Where addresses are counted from another base, the region stands where every alignment that holds
// for an address holds for the real place too.
Region map_region(const Options& options) noexcept {
  if (!options.base) return Region::map(options.size, granule_size, 0);
  const Size size = round_up(options.size, granule_size);
  return Region::map(size, largest_align(size), *options.base);
}

}  // namespace

bool Heap::acceptable(const Options& options, Fault& fault) noexcept {
  const Address base = options.base.value_or(0);
  if (options.size < options.least_size() || options.size > largest_region) {
    fault = {.kind = FaultKind::invalid_size,
             .least = options.least_size(),
             .expected = largest_region,
             .found = options.size};
  } else if (base % granule_size != 0 || base + largest_region < base) {
    fault = {.kind = FaultKind::invalid_base, .found = base};
  } else if (!is_policy(options.policy)) {
    fault = {.kind = FaultKind::unknown_policy};
  } else if (const auto option = unwanted(options)) {
    fault = {.kind = FaultKind::unwanted_option, .found = *option};
  }
  return !fault;
}

double Stats::external_fragmentation() const noexcept {
  if (available == 0) return 0;
  return 1 - static_cast<double>(largest_free) / static_cast<double>(available);
}

std::unique_ptr<Heap> Heap::open(const Options& options, Fault& fault) {
  if (!acceptable(options, fault)) return nullptr;
  Region region = map_region(options);
  if (!region) {
    fault = {.kind = FaultKind::no_pages, .found = options.size};
    return nullptr;
  }
  return make(options, std::move(region), {});
}

std::unique_ptr<Heap> Heap::make(const Options& options, Region region,
                                 std::shared_ptr<void> keeper) {
  const Size unused = options.unused();
  std::unique_ptr<CoreInterface> core =
      make_core({region.data() + unused, region.size() - unused}, options);
  core->seed();
  return std::unique_ptr<Heap>(
      new Heap(options, std::move(region), std::move(keeper), std::move(core), nullptr));
}

// The sentinel is filled as a redzone is, and belongs to nobody.
std::unique_ptr<Heap> Heap::over(std::span<std::byte> span, std::shared_ptr<void> keeper,
                                 const Options& options, Fault& fault) {
  const auto first = std::bit_cast<Address>(span.data());
  const Address from = round_up(first, granule_size);
  const Address to = round_down(first + span.size(), granule_size);
  Options sized = options;
  sized.size = to > from + granule_size ? to - from - granule_size : 0;
  if (!acceptable(sized, fault)) return nullptr;
  std::byte* const data = span.data() + (from - first);
  std::unique_ptr<Heap> heap = make(sized, Region::borrow(data, sized.size), std::move(keeper));
  std::memset(data + sized.size, GLASSHEAP_REDZONE, granule_size);
  return heap;
}

Heap::Heap(const Options& options, Region region, std::shared_ptr<void> keeper,
           std::unique_ptr<CoreInterface> core, std::unique_ptr<SharingHooks> hooks)
    : lock_(options.threads),
      options_(options),
      region_(std::move(region)),
      size_(region_.size()),
      front_(options.headers ? granule_size : 0),
      unused_(options.unused()),
      real_(std::bit_cast<Address>(region_.data())),
      base_(options.base.value_or(real_)),
      largest_align_(largest_align_between(real_, base_, size_)),
      origin_(base_ + unused_),
      keeper_(std::move(keeper)),
      core_(std::move(core)),
      hooks_(std::move(hooks)) {}

Heap::~Heap() = default;

void Heap::ScopedAccess::on_leave() noexcept {
  heap_.hooks_->on_leave(heap_.core_.get(), heap_.common_);
}

void Heap::ScopedAccess::on_enter() noexcept {
  refusal_ = heap_.hooks_->on_enter(*heap_.core_, heap_.common_);
  shared_ = refusal_ == FaultKind::none;
}

// --- What every call asks first. ---------------------------------------------------------------

bool Heap::other_align(Size& align, Fault& fault) const noexcept {
  if (!is_power_of_two(align) || align > largest_align_) {
    fault = {.kind = FaultKind::invalid_alignment, .expected = largest_align_, .found = align};
    return false;
  }
  align = std::max(align, granule_size);
  return true;
}

void Heap::blame(Fault& fault, Address payload) noexcept {
  const Offset at = payload - base_;
  if (fault.kind == FaultKind::foreign_pointer && at < unused_ && at % granule_size != 0)
    fault.kind = FaultKind::misaligned_pointer;  // in the granule that the core does not know of
  fault.address = payload;
  fault.owner = address_of(fault.owner);
  fault.offset += unused_;
  if (is_corruption(fault.kind)) common_.damaged = true;
  if (fault.kind == FaultKind::out_of_memory) {
    fault.shortage.available = core_->available();
    fault.shortage.largest = on_offer(core_->largest());
    fault.shortage.free_blocks = core_->map().free_blocks();
  }
}

// --- Blocks by address. ------------------------------------------------------------------------

Address Heap::malloc(Size size, Size align, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_writable(access, fault) || !align_for(align, fault)) return 0;
  const Block block = core_->allocate(size, align, fault);
  if (!block) blame(fault, 0);
  return address_of(taken(block));
}

Address Heap::calloc(Size count, Size size, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_writable(access, fault)) return 0;
  Size total = 0;
  if (__builtin_mul_overflow(count, size, &total)) total = std::numeric_limits<Size>::max();
  const Block block = core_->allocate(total, granule_size, fault);
  if (!block) {
    blame(fault, 0);
    return 0;
  }
  std::memset(data(payload_of(block)), 0, usable(block, total));
  return address_of(taken(block));
}

Address Heap::realloc(Address payload, Size size, Size align, Fault& fault) noexcept {
  if (payload == 0) return malloc(size, align, fault);
  const ScopedAccess access(*this);
  if (!check_writable(access, fault) || !align_for(align, fault)) return 0;
  const Offset offset = offset_of(payload);
  Block block;
  if (unpinned(offset, fault)) block = core_->reallocate(offset, size, align, fault);
  if (!block) blame(fault, payload);
  if (block && payload_of(block) != offset) released(offset);
  return address_of(taken(block));
}

bool Heap::free(Address payload, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_writable(access, fault)) return false;
  if (payload == 0) return true;
  const Offset offset = offset_of(payload);
  if (unpinned(offset, fault) && core_->release(offset, fault)) return released(offset);
  blame(fault, payload);
  return false;
}

Size Heap::usable_size(Address payload, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return 0;
  LiveBlock live;
  if (core_->find(offset_of(payload), live, fault)) return usable(live.block, live.size);
  blame(fault, payload);
  return 0;
}

// --- Batches. ----------------------------------------------------------------------------------

bool Heap::malloc_many(std::span<const Size> sizes, std::span<Address> addresses, Fault& fault) {
  const ScopedAccess access(*this);
  if (!check_writable(access, fault)) return false;
  std::size_t refused = 0;
  if (!core_->allocate_many(sizes, addresses, refused, fault)) {
    blame(fault, 0);
    fault.index = refused;
    return false;
  }
  for (Address& address : addresses) {
    taken({address - front_, granule_size});
    address = address_of(Offset{address});
  }
  return true;
}

bool Heap::free_many(std::span<Address> addresses, Fault& fault) {
  const auto dropped = std::ranges::remove(addresses, Address{0});
  const std::span<Offset> payloads = addresses.first(addresses.size() - dropped.size());
  for (Offset& payload : payloads) payload = offset_of(payload);
  const ScopedAccess access(*this);
  if (!check_writable(access, fault)) return false;
  std::size_t refused = 0;
  while (refused < payloads.size() && unpinned(payloads[refused], fault)) ++refused;
  if (!fault && core_->release_many(payloads, refused, fault)) {
    for (const Offset payload : payloads) released(payload);
    return true;
  }
  blame(fault, address_of(payloads[refused]));
  fault.index = refused;
  return false;
}

// --- Handles and pins. -------------------------------------------------------------------------

bool Heap::acquire(Size size, Size align, Handle& handle, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_writable(access, fault) || !align_for(align, fault)) return false;
  const Block block = core_->allocate(size, align, fault);
  LiveBlock live;
  if (!block || !core_->find(payload_of(block), live, fault)) {
    blame(fault, 0);
    return false;
  }
  handle = {address_of(taken(block)), size, common_.epoch, live.serial};
  return true;
}

bool Heap::hold(Address payload, Handle& handle, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return false;
  LiveBlock live;
  if (!core_->find(offset_of(payload), live, fault)) {
    blame(fault, payload);
    return false;
  }
  handle = {payload, live.size, common_.epoch, live.serial};
  return true;
}

// Whatever a raw pointer would be refused for, but corruption, a handle is refused for as stale.
bool Heap::find(const Handle& handle, LiveBlock& live, Fault& fault) const noexcept {
  const bool found =
      handle.epoch == common_.epoch && core_->find(offset_of(handle.address), live, fault);
  if (found && live.serial == handle.serial) return true;
  if (!is_corruption(fault.kind)) fault = {.kind = FaultKind::stale_handle};
  return false;
}

bool Heap::release(const Handle& handle, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_writable(access, fault)) return false;
  const Offset payload = offset_of(handle.address);
  LiveBlock live;
  if (find(handle, live, fault) && unpinned(payload, fault) && core_->release(payload, fault))
    return released(payload);
  blame(fault, handle.address);
  return false;
}

bool Heap::is_current(const Handle& handle, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return false;
  LiveBlock live;
  if (find(handle, live, fault)) return true;
  blame(fault, handle.address);
  return false;
}

bool Heap::hold(const LiveBlock& live, Pinned& pinned) {
  const Offset payload = payload_of(live.block);
  ++pins_[payload];
  pinned = {payload, data(payload), live.size};
  return true;
}

bool Heap::pin(Address payload, Pinned& pinned, Fault& fault) {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return false;
  LiveBlock live;
  if (core_->find(offset_of(payload), live, fault)) return hold(live, pinned);
  blame(fault, payload);
  return false;
}

bool Heap::pin(const Handle& handle, Pinned& pinned, Fault& fault) {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return false;
  LiveBlock live;
  if (find(handle, live, fault)) return hold(live, pinned);
  blame(fault, handle.address);
  return false;
}

bool Heap::pin_region(Pinned& pinned, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return false;
  ++region_pins_;
  pinned = {whole_region, region_.data(), size_};
  return true;
}

void Heap::unpin(Offset payload) noexcept {
  const Guard guard(lock_);  // pins are this process's own
  if (!guard) return;        // in a signal handler, where nobody gives a view back
  if (payload == whole_region) {
    --region_pins_;
  } else {
    drop_pin(payload);
  }
}

void Heap::drop_pin(Offset payload) noexcept {
  if (const auto pin = pins_.find(payload); --pin->second == 0) pins_.erase(pin);
}

Address Heap::realloc_pinned(Address payload, Size size, Size align, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_writable(access, fault) || !align_for(align, fault)) return 0;
  const Offset offset = offset_of(payload);
  const auto pin = pins_.find(offset);
  Block block;
  if (pin->second != 1) {
    fault.kind = FaultKind::pinned;
  } else {
    block = core_->reallocate(offset, size, align, fault);
  }
  if (!block) {
    blame(fault, payload);
    return 0;
  }
  auto moved = pins_.extract(pin);  // the node itself goes over: nothing is allocated
  moved.key() = payload_of(block);
  pins_.insert(std::move(moved));
  if (payload_of(block) != offset) released(offset);
  return address_of(taken(block));
}

bool Heap::free_pinned(Address payload, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  const Offset offset = offset_of(payload);
  if (access.is_locked()) drop_pin(offset);
  if (!check_writable(access, fault)) return false;
  if (unpinned(offset, fault) && core_->release(offset, fault)) return released(offset);
  blame(fault, payload);
  return false;
}

// --- Looking. ----------------------------------------------------------------------------------

bool Heap::contains(Address payload, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return false;
  Fault ignored;  // any reason is a no
  LiveBlock live;
  return core_->find(offset_of(payload), live, ignored);
}

std::vector<FreeBlock> Heap::free_list(Fault& fault) {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return {};
  std::vector<FreeBlock> list;
  list.reserve(core_->map().free_blocks());
  for (const Block block : core_->free_list())
    list.push_back({address_of(block.start), on_offer(block.extent)});
  return list;
}

std::string Heap::free_list_line(Fault& fault) {
  std::string line;
  for (const FreeBlock& block : free_list(fault)) {
    line += line.empty() ? "Free(" : "->Free(";
    line += std::to_string(block.size) + ')';
  }
  return line.empty() ? "(none)" : line;
}

std::vector<BlockInfo> Heap::walk(Fault& fault) {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return {};
  std::vector<BlockInfo> infos;
  infos.reserve(core_->map().blocks());
  for (const BlockView& view : core_->walk()) infos.push_back(shown(view));
  return infos;
}

BlockInfo Heap::shown(const BlockView& view) const noexcept {
  return {address_of(view.block.start),
          address_of(payload_of(view.block)),
          view.size,
          view.block.extent,
          view.live,
          view.serial};
}

Findings Heap::check(Fault& fault, std::vector<BlockInfo>* culprits) {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return {};
  Findings findings = core_->inspect();
  watch_sentinel(findings);
  if (!findings.empty()) common_.damaged = true;
  for (Fault& finding : findings) {
    if (culprits != nullptr) culprits->push_back(culprit(finding));
    finding.offset += unused_;
  }
  return findings;
}

// Whoever wrote behind a region that was borrowed.
void Heap::watch_sentinel(Findings& findings) const {
  if (!has_sentinel()) return;
  const std::byte* const first = region_.data() + size_;
  const std::byte* const last = first + granule_size;
  const std::byte* const other =
      std::find_if(first, last, [](std::byte b) { return b != std::byte{GLASSHEAP_REDZONE}; });
  if (other == last) return;
  findings.push_back({.kind = FaultKind::overflow_detected,
                      .rule = Rule::sentinel,
                      .expected = size_,
                      .found = size_ + static_cast<Size>(other - first)});
}

// Not of a list or a counter that is wrong as a whole: its offset says nothing.
BlockInfo Heap::culprit(const Fault& finding) const noexcept {
  const bool itself = finding.rule == Rule::redzone;
  const bool front = finding.rule >= Rule::magic && finding.rule <= Rule::prev;
  if (!itself && (!front || finding.offset == 0)) return {};
  const BlockView view = core_->view_at(finding.offset - (itself ? 0 : 1));
  return view.live ? shown(view) : BlockInfo{};
}

Stats Heap::stats(Fault& fault) {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return {};
  const BlockMap& map = core_->map();
  const Counters& counters = core_->counters();
  return {.size = size_,
          .live_blocks = map.live_blocks(),
          .free_blocks = map.free_blocks(),
          .requested = counters.requested,
          .used = from_first_byte(map.used()),
          .available = core_->available(),
          .largest_free = on_offer(core_->largest()),
          .overhead = counters.taken - counters.requested,
          .peak_requested = counters.peak_requested,
          .peak_used = from_first_byte(counters.peak_used),
          .mallocs = counters.mallocs,
          .frees = counters.frees,
          .reallocs = counters.reallocs,
          .failures = counters.failures,
          .recovered = hooks_ == nullptr ? 0 : hooks_->recovered()};
}

Size Heap::available_memory(Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return 0;
  return core_->available();
}

Size Heap::largest_free(Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return 0;
  return on_offer(core_->largest());
}

Size Heap::live_blocks(Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return 0;
  return core_->map().live_blocks();
}

Size Heap::own_memory(Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return 0;
  return sizeof *this + core_->own_memory();
}

// --- The heap as a whole. ----------------------------------------------------------------------

bool Heap::reset(Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return false;
  if (!pins_.empty()) {
    fault = {.kind = FaultKind::pinned, .address = address_of(pins_.begin()->first)};
    return false;
  }
  core_->reset();
  if (has_sentinel()) std::memset(region_.data() + size_, GLASSHEAP_REDZONE, granule_size);
  if (hooks_ != nullptr) hooks_->on_reset();
  common_.damaged = false;
  ++common_.epoch;
  return true;
}

bool Heap::close(Fault& fault) noexcept {
  std::shared_ptr<void> keeper;
  {
    const Guard guard(lock_);
    if (!guard) {
      fault.kind = FaultKind::heap_busy;
      return false;
    }
    if (!pins_.empty() || region_pins_ != 0) {
      const Address pinned = pins_.empty() ? 0 : address_of(pins_.begin()->first);
      fault = {.kind = FaultKind::pinned, .address = pinned};
      return false;
    }
    core_.reset();
    region_ = Region();
    keeper.swap(keeper_);
    if (hooks_ != nullptr) hooks_->on_close();
  }
  return true;  // and the keeper lets go, when nobody is inside
}

bool Heap::closed() noexcept {
  const Guard guard(lock_);
  return core_ == nullptr;
}

}  // namespace glassheap
