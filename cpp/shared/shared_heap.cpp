#include "glassheap/shared_heap.hpp"

#include <chrono>
#include <cstddef>
#include <cstring>
#include <new>
#include <thread>

#include "check/recovery.hpp"
#include "core/policy_list.hpp"
#include "shared/attachment.hpp"
#include "shared/processes.hpp"
#include "shared/robust_lock.hpp"

namespace glassheap {
namespace {

using shared::Attachment;
using shared::FixedFields;
using shared::Place;
using shared::Segment;
using shared::Superblock;

Size arrays_for(const Options& options) {
  const Sharing sharing{ArrayArena::to_measure(), nullptr, nullptr};
  const Size size = round_up(options.size, granule_size) - options.unused();
  return make_core({static_cast<std::byte*>(nullptr), size}, options, sharing)->arena_bytes();
}

FixedFields segment_layout(const Options& options) {
  return shared::lay_out(options, arrays_for(options));
}

// The largest region that fits into so many bytes; 0 if none does.
Size largest_within(Options options, Size bytes) {
  Size fits = 0;
  Size beyond = std::min(bytes, largest_region) / granule_size + 1;
  const Size least = options.least_size() / granule_size;
  while (fits + 1 < beyond) {
    const Size middle = fits + (beyond - fits) / 2;
    options.size = middle * granule_size;
    const bool small = middle >= least && segment_layout(options).total > bytes;
    (small ? beyond : fits) = middle;
  }
  return fits < least ? 0 : fits * granule_size;
}

std::unique_ptr<CoreInterface> core_over(const Segment& segment, const Options& options) {
  auto& block = *std::launder(reinterpret_cast<Superblock*>(segment.data()));
  const FixedFields& fixed = block.fixed;
  const Sharing sharing{
      ArrayArena({segment.data() + fixed.arrays_at, fixed.owners_at - fixed.arrays_at}), &fixed.key,
      &block.intent};
  std::byte* const region = segment.data() + fixed.region_at;
  const Size unused = options.unused();
  std::unique_ptr<CoreInterface> core =
      make_core({region + unused, fixed.region_size - unused}, options, sharing);
  core->index_state();
  return core;
}

std::span<std::byte> region_of(const Segment& segment) {
  const FixedFields& fixed = reinterpret_cast<const Superblock*>(segment.data())->fixed;
  return {segment.data() + fixed.region_at, fixed.region_size};
}

bool bad_image(const char* field, Fault& fault) noexcept {
  fault = {.kind = FaultKind::bad_image, .field = field};
  return false;
}

// The magic number comes last: who looks meanwhile sees none, and waits.
void publish(FixedFields& place, const FixedFields& fixed) noexcept {
  FixedFields unfinished = fixed;
  unfinished.magic = 0;
  place = unfinished;
  std::atomic_ref(place.magic).store(fixed.magic, std::memory_order_release);
}

// What an image is at first sight: whole, being made, or no heap.
enum class Stage : std::uint8_t { ready, not_yet, wrong };

Stage stage_of(const Segment& segment, Fault& fault) {
  if (segment.size() == 0) return Stage::not_yet;
  if (segment.size() < sizeof(Superblock)) return bad_image("size", fault), Stage::wrong;
  const auto& block = *reinterpret_cast<const Superblock*>(segment.data());
  if (block.published.load(std::memory_order_acquire) == 1) {
    const char* const field = shared::first_bad_field(block.fixed, segment.size());
    return field == nullptr ? Stage::ready : (bad_image(field, fault), Stage::wrong);
  }
  if (block.fixed.magic == 0 || shared::first_bad_field(block.fixed, segment.size()) == nullptr)
    return Stage::not_yet;
  bad_image(shared::first_bad_field(block.fixed, segment.size()), fault);
  return Stage::wrong;
}

// Opens a segment that is published, in so many seconds.
std::unique_ptr<Segment> open_ready(const Place& place, double timeout, Fault& fault) {
  using std::chrono::steady_clock;
  const auto until = steady_clock::now() + std::chrono::duration<double>(std::min(timeout, 1e9));
  while (true) {
    std::unique_ptr<Segment> segment = Segment::open(place, sizeof(Superblock), fault);
    if (segment == nullptr) return nullptr;
    const Stage stage = stage_of(*segment, fault);
    if (stage == Stage::ready) return segment;
    if (stage == Stage::wrong) return nullptr;
    if (steady_clock::now() >= until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  fault = {.kind = FaultKind::attach_timeout};
  return nullptr;
}

}  // namespace

SharedHeap::SharedHeap(const Options& options, const Place& place, std::span<std::byte> region,
                       std::unique_ptr<CoreInterface> core,
                       std::unique_ptr<shared::Attachment> attachment)
    : Heap(options, Region::borrow(region.data(), region.size()), place.keeper, std::move(core),
           std::move(attachment)),
      place_(place),
      attachment_(static_cast<shared::Attachment&>(*hooks())) {
  identity_ = attachment_.block().fixed.identity;
  place_.keeper.reset();  // the heap has it, until it is closed
}

std::unique_ptr<SharedHeap> SharedHeap::create(const Options& wanted, const Opening& how,
                                               Fault& fault) {
  Options options = wanted;
  options.base = 0;
  if (how.place.data != nullptr) {
    options.size = options.least_size();  // of which one can say already whether all else will do
    if (!acceptable(options, fault)) return nullptr;
    options.size = largest_within(options, how.place.size);
  }
  if (!acceptable(options, fault)) return nullptr;
  const FixedFields fixed = segment_layout(options);
  std::unique_ptr<Segment> segment = Segment::create(how.place, fixed.total, fault);
  if (segment == nullptr) return nullptr;
  if (how.place.data != nullptr) std::memset(segment->data(), 0, fixed.region_at);
  auto* const block = new (segment->data()) Superblock;
  publish(block->fixed, fixed);
  shared::init_lock(block->mutex);
  std::unique_ptr<CoreInterface> core = core_over(*segment, options);
  core->seed();
  core->store(block->state);
  const std::span<std::byte> region = region_of(*segment);
  auto attachment = std::make_unique<Attachment>(std::move(segment), how.timeout);
  attachment->register_self();
  block->published.store(1, std::memory_order_release);
  return std::unique_ptr<SharedHeap>(
      new SharedHeap(options, how.place, region, std::move(core), std::move(attachment)));
}

std::unique_ptr<SharedHeap> SharedHeap::attach(const Opening& how, const std::string& policy,
                                               Fault& fault) {
  std::unique_ptr<Segment> segment = open_ready(how.place, how.timeout, fault);
  if (segment == nullptr) return nullptr;
  const auto& block = *std::launder(reinterpret_cast<const Superblock*>(segment->data()));
  const Options options = shared::options_of(block.fixed);
  if (!policy.empty() && policy != options.policy) return bad_image("policy", fault), nullptr;
  if (block.fixed.owners_at - block.fixed.arrays_at < arrays_for(options))
    return bad_image("layout", fault), nullptr;
  std::unique_ptr<CoreInterface> core = core_over(*segment, options);
  const std::span<std::byte> region = region_of(*segment);
  const Segment& others = *segment;
  others.lock_attach();
  auto attachment = std::make_unique<Attachment>(std::move(segment), how.timeout);
  const bool whole = attachment->attach(*core, how.copy, how.salvage, fault);
  others.unlock_attach();
  if (!whole) return nullptr;
  return std::unique_ptr<SharedHeap>(
      new SharedHeap(options, how.place, region, std::move(core), std::move(attachment)));
}

// --- An image, and copies of it. ---------------------------------------------------------------

bool SharedHeap::read(const Place& place, Image& image, Fault& fault) {
  const std::unique_ptr<Segment> segment = open_ready(place, 0, fault);
  if (segment == nullptr) return false;
  const auto& block = *std::launder(reinterpret_cast<const Superblock*>(segment->data()));
  const Options options = shared::options_of(block.fixed);
  if (block.fixed.owners_at - block.fixed.arrays_at < arrays_for(options))
    return bad_image("layout", fault);
  const std::unique_ptr<CoreInterface> core = core_over(*segment, options);
  core->load(block.state);
  image.recovered = block.recovered;
  image.in_flight = block.intent.pending();
  for (const shared::Process& process : block.processes) {
    if (process.attached != 0 && shared::is_alive(process)) image.users.push_back(process.pid);
  }
  const Offset unused = options.unused();
  const RecoveredBlocks blocks = read_recovered_blocks(core->map(), image.in_flight);
  for (const RecoveredBlocks::Part& part : blocks.parts) {
    if (!part.free && part.block != blocks.orphan)
      image.live.push_back(unused + core->layout().payload_of(part.block.start));
  }
  return true;
}

std::optional<std::uint64_t> SharedHeap::generation(std::span<const std::byte> front) {
  std::uint64_t number = 0;
  constexpr std::size_t at = offsetof(Superblock, generation);
  if (front.size() < at + sizeof number) return std::nullopt;
  std::memcpy(&number, front.data() + at, sizeof number);  // at whatever address they lie
  return number;
}

bool SharedHeap::copy_into(std::span<std::byte> bytes, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return false;
  const Segment& segment = attachment_.segment();
  if (bytes.size() < segment.size()) return bad_image("size", fault);
  std::memcpy(bytes.data(), segment.data(), segment.size());
  return true;
}

std::uint8_t SharedHeap::number() const noexcept { return attachment_.number(); }

bool SharedHeap::unlink(Fault& fault) const { return Segment::remove(place_, fault); }

bool SharedHeap::flush(Fault& fault) noexcept {
  const ScopedAccess access(*this);
  return check_readable(access, fault) && attachment_.segment().flush(fault);
}

// --- Blocks that several hold on to. -----------------------------------------------------------

bool SharedHeap::share(const Handle& handle, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  LiveBlock live;
  if (!check_writable(access, fault)) return false;
  if (!find(handle, live, fault)) return blame(fault, handle.address), false;
  return attachment_.add_ref(offset_of(handle.address), fault);
}

bool SharedHeap::transfer_ref(const Handle& handle, std::uint8_t from, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  LiveBlock live;
  if (!check_writable(access, fault)) return false;
  if (!find(handle, live, fault)) return blame(fault, handle.address), false;
  const Offset payload = offset_of(handle.address);
  if (!attachment_.add_ref(payload, fault)) return false;
  static_cast<void>(attachment_.drop_ref(payload, from));  // it is held: by this process now
  return true;
}

bool SharedHeap::drop_ref(const Handle& handle, bool& freed, Fault& fault) noexcept {
  const ScopedAccess access(*this);
  LiveBlock live;
  freed = false;
  if (!check_writable(access, fault)) return false;
  if (!find(handle, live, fault)) return blame(fault, handle.address), false;
  const Offset payload = offset_of(handle.address);
  if (attachment_.drop_ref(payload, number())) return true;
  freed = unpinned(payload, fault) && core().release(payload, fault);
  if (freed) return true;
  blame(fault, handle.address);
  Fault ignored;  // the place that it had is free
  static_cast<void>(attachment_.add_ref(payload, ignored));
  return false;
}

std::size_t SharedHeap::reap(Fault& fault) noexcept {
  const ScopedAccess access(*this);
  if (!check_writable(access, fault)) return 0;
  std::size_t freed = 0;
  for (shared::Holder& holder : attachment_.block().holders) {
    const Offset payload = holder.payload - 1;
    if (holder.payload == 0 || attachment_.holder_is_alive(holder)) continue;
    Fault viewed;  // here: the next time, then
    if (attachment_.holders_of(payload) == holder.count && !unpinned(payload, viewed)) continue;
    holder = {};
    --attachment_.block().holds;
    if (attachment_.is_held(payload)) continue;
    freed += core().release(payload, fault) ? 1 : 0;
    if (fault) return freed;
  }
  return freed;
}

std::vector<OwnedBlock> SharedHeap::owners(Fault& fault) {
  std::vector<OwnedBlock> owned;
  const ScopedAccess access(*this);
  if (!check_readable(access, fault)) return owned;
  for (const BlockView& view : core().walk()) {
    if (!view.live) continue;
    const shared::Process process = attachment_.owner(view.block.start);
    owned.push_back({shown(view), process.pid, shared::is_alive(process),
                     attachment_.holders_of(core().layout().payload_of(view.block.start))});
  }
  return owned;
}

}  // namespace glassheap
