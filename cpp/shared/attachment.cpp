#include "shared/attachment.hpp"

#include <algorithm>
#include <new>

#include "shared/processes.hpp"
#include "shared/robust_lock.hpp"

namespace glassheap::shared {
namespace {

// A number that no two heaps have, in any process, also not in one that has the pid of one that is
// gone: such a one must not think that the numbers in a segment are its own.
std::uint64_t new_token() { return Sealer().key()[0]; }

// What is stored before it is seen before what is stored behind it. GCC says that ThreadSanitizer
// does not know fences; what these stores are for is another process, which it does not see either.
void fence() noexcept {
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
  std::atomic_thread_fence(std::memory_order_release);
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

}  // namespace

Attachment::Attachment(std::unique_ptr<shared::Segment> segment, double timeout)
    : segment_(std::move(segment)),
      block_(std::launder(reinterpret_cast<shared::Superblock*>(segment_->data()))),
      owners_(reinterpret_cast<std::uint8_t*>(segment_->data() + block_->fixed.owners_at)),
      timeout_(timeout),
      fork_count_(fork_count()),
      token_(new_token()) {}

Attachment::~Attachment() { on_close(); }

void Attachment::register_self() noexcept {
  number_ = shared::register_process(*block_, owners_);
  if (const std::uint64_t file = segment_->file(); file != 0) block_->file = file;
  fork_count_ = fork_count();
  token_ = new_token();
}

bool Attachment::any_process_alive() const noexcept {
  return std::ranges::any_of(block_->processes, [](const Process& process) {
    return process.attached != 0 && is_alive(process);
  });
}

// Whether nobody of those in the table can have this file: it is not the one that they had.
bool Attachment::was_copied() const noexcept {
  const std::uint64_t file = segment_->file();
  return file != 0 && block_->file != 0 && file != block_->file;
}

// The numbers stay: blocks are still told to be theirs.
void Attachment::clear_processes() noexcept {
  for (shared::Process& process : block_->processes) process.attached = 0;
}

bool Attachment::attach(CoreInterface& core, bool copy, bool salvage, Fault& fault) {
  if (copy || was_copied()) clear_processes();
  const bool alone = !any_process_alive();
  if (alone) shared::init_lock(block_->mutex);
  Common common;
  fault.kind = on_enter(core, common);
  if (fault) return false;
  const bool whole = !alone || try_recover(core, salvage, fault);
  if (whole) register_self();
  on_leave(whole ? &core : nullptr, {block_->damaged != 0, block_->epoch});
  if (!whole && is_corruption(fault.kind))
    fault = {.kind = FaultKind::bad_image, .field = name_of(fault.rule)};
  return whole;
}

bool Attachment::recover(CoreInterface& core, bool salvage, Fault& fault) {
  const Intent in_flight = block_->intent.pending();
  core.load(block_->state);
  if (!core.rebuild(in_flight, fault)) {
    if (!salvage || !core.salvage(fault)) return false;
    fault = {};
  }
  if (in_flight.end != 0) ++block_->recovered;
  rebuild_refs(core);
  core.store(block_->state);
  block_->intent.commit();
  block_->damaged = 0;
  block_->last_writer = 0;
  return true;
}

// Whoever died may have been about to hold, or to let go; and what was freed is held by nobody.
void Attachment::rebuild_refs(const CoreInterface& core) noexcept {
  block_->holds = 0;
  for (shared::Holder& holder : block_->holders) {
    LiveBlock live;
    Fault ignored;  // any reason is a no
    const bool held = holder.payload != 0 && holder.count != 0 && holder.process != 0 &&
                      holder.process <= shared::most_processes &&
                      core.find(holder.payload - 1, live, ignored);
    if (held) {
      ++block_->holds;
    } else {
      holder = {};
    }
  }
}

bool Attachment::try_recover(CoreInterface& core, bool salvage, Fault& fault) noexcept {
  try {
    return recover(core, salvage, fault);
  } catch (const std::bad_alloc&) {
    fault = {.kind = FaultKind::no_pages};
    return false;
  }
}

// Its owner died inside. What it was doing is taken back; if that cannot be, the heap is damaged
// for everyone.
void Attachment::recover_after_death(CoreInterface& core) noexcept {
  Fault fault;
  if (!try_recover(core, false, fault)) block_->damaged = 1;
  shared::mark_consistent(block_->mutex);
}

FaultKind Attachment::on_enter(CoreInterface& core, Common& common) noexcept {
  const shared::LockResult taken = shared::acquire_lock(block_->mutex, timeout_);
  if (taken == shared::LockResult::timed_out) return FaultKind::lock_timeout;
  // Written under the lock alone: two plain stores, in order with what lies between them.
  block_->generation.store(block_->generation.load(std::memory_order_relaxed) | 1,
                           std::memory_order_relaxed);
  fence();
  if (taken == shared::LockResult::owner_died) [[unlikely]]
    recover_after_death(core);
  if (fork_count_ != fork_count()) [[unlikely]]
    register_self();
  if (block_->last_writer != token_) core.load(block_->state);
  common = {block_->damaged != 0, block_->epoch};
  return FaultKind::none;
}

void Attachment::on_leave(CoreInterface* core, const Common& common) noexcept {
  block_->last_writer = token_;
  crash_point();
  if (core != nullptr) core->store(block_->state);
  block_->damaged = common.damaged ? 1 : 0;
  block_->epoch = common.epoch;
  block_->intent.commit();
  block_->generation.store(block_->generation.load(std::memory_order_relaxed) + 1,
                           std::memory_order_release);
  shared::release_lock(block_->mutex);
}

shared::Process Attachment::owner(Offset start) const noexcept {
  const std::uint8_t number = owners_[start / granule_size];
  return number == 0 ? shared::Process{} : block_->processes[number - 1];
}

bool Attachment::add_ref(Offset payload, Fault& fault) noexcept {
  shared::Holder* free = nullptr;
  for (shared::Holder& holder : block_->holders) {
    if (holder.payload == payload + 1 && holder.process == number_) {
      ++holder.count;
      return true;
    }
    if (free == nullptr && holder.payload == 0) free = &holder;
  }
  if (free == nullptr || number_ == 0) {
    fault = {.kind = FaultKind::too_many_holders, .expected = shared::most_holders};
    return false;
  }
  ++block_->holds;  // one too many is found out by looking, one too few is not
  crash_point();
  *free = {payload + 1, number_, 1};
  crash_point();
  return true;
}

bool Attachment::drop_ref(Offset payload, std::uint8_t from) noexcept {
  for (shared::Holder& holder : block_->holders) {
    if (holder.payload != payload + 1 || holder.process != from) continue;
    if (--holder.count == 0) {
      crash_point();
      holder = {};
      crash_point();
      --block_->holds;
    }
    break;
  }
  return is_held(payload);
}

std::uint32_t Attachment::holders_of(Offset payload) const noexcept {
  std::uint32_t count = 0;
  if (block_->holds == 0) return 0;
  for (const shared::Holder& holder : block_->holders)
    count += holder.payload == payload + 1 ? holder.count : 0;
  return count;
}

bool Attachment::holder_is_alive(const shared::Holder& holder) const noexcept {
  return holder.process != 0 && holder.process <= shared::most_processes &&
         shared::is_alive(block_->processes[holder.process - 1]);
}

void Attachment::on_allocate(Block block) noexcept {
  owners_[block.start / granule_size] = number_;
}

// A block that is freed by its address is nobody's, whoever held on to it.
void Attachment::on_free(Offset payload) noexcept {
  if (block_->holds == 0) return;
  for (shared::Holder& holder : block_->holders) {
    if (holder.payload != payload + 1) continue;
    holder = {};
    --block_->holds;
  }
}

void Attachment::on_reset() noexcept {
  if (block_->holds == 0) return;
  for (shared::Holder& holder : block_->holders) holder = {};
  block_->holds = 0;
}

void Attachment::on_close() noexcept {
  if (segment_ == nullptr) return;
  if (number_ != 0 && fork_count_ == fork_count()) shared::unregister_process(*block_, number_);
  segment_.reset();
  block_ = nullptr;
}

}  // namespace glassheap::shared
