#include "glassheap/shared/everyone.hpp"

#include <algorithm>
#include <new>

#include "glassheap/shared/processes.hpp"
#include "glassheap/shared/robust_lock.hpp"

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

Everyone::Everyone(std::unique_ptr<shared::Segment> segment, double timeout)
    : segment_(std::move(segment)),
      block_(std::launder(reinterpret_cast<shared::Superblock*>(segment_->data()))),
      owners_(reinterpret_cast<std::uint8_t*>(segment_->data() + block_->fixed.owners_at)),
      timeout_(timeout),
      forks_(forks()),
      token_(new_token()) {}

Everyone::~Everyone() { close(); }

void Everyone::attach() noexcept {
  number_ = shared::enter(*block_, owners_);
  if (const std::uint64_t file = segment_->file(); file != 0) block_->file = file;
  forks_ = forks();
  token_ = new_token();
}

bool Everyone::anybody_lives() const noexcept {
  return std::ranges::any_of(block_->processes, [](const Process& process) {
    return process.attached != 0 && lives(process);
  });
}

// Whether nobody of those in the table can have this file: it is not the one that they had.
bool Everyone::was_copied() const noexcept {
  const std::uint64_t file = segment_->file();
  return file != 0 && block_->file != 0 && file != block_->file;
}

// The numbers stay: blocks are still told to be theirs.
void Everyone::forget_everyone() noexcept {
  for (shared::Process& process : block_->processes) process.attached = 0;
}

bool Everyone::come(Core& core, bool copy, bool mend, Fault& fault) {
  if (copy || was_copied()) forget_everyone();
  const bool alone = !anybody_lives();
  if (alone) shared::make_lock(block_->mutex);
  Common common;
  fault.kind = enter(core, common);
  if (fault) return false;
  const bool whole = !alone || tried_to_take_over(core, mend, fault);
  if (whole) attach();
  leave(whole ? &core : nullptr, {block_->damaged != 0, block_->epoch});
  if (!whole && is_corruption(fault.kind))
    fault = {.kind = FaultKind::bad_image, .field = name_of(fault.rule)};
  return whole;
}

bool Everyone::take_over(Core& core, bool mend, Fault& fault) {
  const Stretch died = block_->flight.now();
  core.load(block_->state);
  if (!core.rebuild(died, fault)) {
    if (!mend || !core.salvage(fault)) return false;
    fault = {};
  }
  if (died.end != 0) ++block_->recovered;
  settle_holds(core);
  core.store(block_->state);
  block_->flight.land();
  block_->damaged = 0;
  block_->last = 0;
  return true;
}

// Whoever died may have been about to hold, or to let go; and what was freed is held by nobody.
void Everyone::settle_holds(const Core& core) noexcept {
  block_->holds = 0;
  for (shared::Holder& holder : block_->holders) {
    Live live;
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

bool Everyone::tried_to_take_over(Core& core, bool mend, Fault& fault) noexcept {
  try {
    return take_over(core, mend, fault);
  } catch (const std::bad_alloc&) {
    fault = {.kind = FaultKind::no_pages};
    return false;
  }
}

// Its owner died inside. What it was doing is taken back; if that cannot be, the heap is damaged
// for everyone.
void Everyone::clear_up(Core& core) noexcept {
  Fault fault;
  if (!tried_to_take_over(core, false, fault)) block_->damaged = 1;
  shared::declare_sound(block_->mutex);
}

FaultKind Everyone::enter(Core& core, Common& common) noexcept {
  const shared::Taken taken = shared::take_lock(block_->mutex, timeout_);
  if (taken == shared::Taken::not_in_time) return FaultKind::lock_timeout;
  // Written under the lock alone: two plain stores, in order with what lies between them.
  block_->generation.store(block_->generation.load(std::memory_order_relaxed) | 1,
                           std::memory_order_relaxed);
  fence();
  if (taken == shared::Taken::after_a_death) [[unlikely]]
    clear_up(core);
  if (forks_ != forks()) [[unlikely]]
    attach();
  if (block_->last != token_) core.load(block_->state);
  common = {block_->damaged != 0, block_->epoch};
  return FaultKind::none;
}

void Everyone::leave(Core* core, const Common& common) noexcept {
  block_->last = token_;
  crash_point();
  if (core != nullptr) core->store(block_->state);
  block_->damaged = common.damaged ? 1 : 0;
  block_->epoch = common.epoch;
  block_->flight.land();
  block_->generation.store(block_->generation.load(std::memory_order_relaxed) + 1,
                           std::memory_order_release);
  shared::leave_lock(block_->mutex);
}

shared::Process Everyone::owner(Offset start) const noexcept {
  const std::uint8_t number = owners_[start / granule_size];
  return number == 0 ? shared::Process{} : block_->processes[number - 1];
}

bool Everyone::hold(Offset payload, Fault& fault) noexcept {
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

bool Everyone::drop(Offset payload, std::uint8_t from) noexcept {
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

std::uint32_t Everyone::holders_of(Offset payload) const noexcept {
  std::uint32_t count = 0;
  if (block_->holds == 0) return 0;
  for (const shared::Holder& holder : block_->holders)
    count += holder.payload == payload + 1 ? holder.count : 0;
  return count;
}

bool Everyone::holder_lives(const shared::Holder& holder) const noexcept {
  return holder.process != 0 && holder.process <= shared::most_processes &&
         shared::lives(block_->processes[holder.process - 1]);
}

void Everyone::took(Block block) noexcept { owners_[block.start / granule_size] = number_; }

// A block that is freed by its address is nobody's, whoever held on to it.
void Everyone::freed(Offset payload) noexcept {
  if (block_->holds == 0) return;
  for (shared::Holder& holder : block_->holders) {
    if (holder.payload != payload + 1) continue;
    holder = {};
    --block_->holds;
  }
}

void Everyone::emptied() noexcept {
  if (block_->holds == 0) return;
  for (shared::Holder& holder : block_->holders) holder = {};
  block_->holds = 0;
}

void Everyone::close() noexcept {
  if (segment_ == nullptr) return;
  if (number_ != 0 && forks_ == forks()) shared::leave(*block_, number_);
  segment_.reset();
  block_ = nullptr;
}

}  // namespace glassheap::shared
