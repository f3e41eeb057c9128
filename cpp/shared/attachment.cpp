#include "shared/attachment.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <thread>

#include "base/lock.hpp"
#include "shared/core_in_segment.hpp"
#include "shared/durability.hpp"
#include "shared/mending.hpp"
#include "shared/processes.hpp"
#include "shared/robust_lock.hpp"

namespace glassheap::shared {
namespace {

// A random number, because pids are recycled: a process must not take the state that a dead process
// with its pid has stored for its own.
std::uint64_t new_token() { return Sealer().key()[0]; }

// Orders the stores before it against those behind it, as another process sees them. GCC warns that
// ThreadSanitizer does not know fences; it does not see another process either.
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

Attachment::Attachment(std::unique_ptr<Segment> segment, double timeout)
    : segment_(std::move(segment)),
      block_(&superblock_of(*segment_)),
      journal_(journal_in(*segment_)),
      owners_(reinterpret_cast<Number*>(segment_->data() + block_->fixed.owners_at)),
      timeout_(timeout),
      fork_count_(fork_count()),
      token_(new_token()) {}

Attachment::~Attachment() { on_close(); }

std::unique_ptr<CoreInterface> Attachment::make_core(const Options& options) {
  return core_over(*segment_, options, journal_);
}

// --- Attaching. --------------------------------------------------------------------------------

bool Attachment::register_self() noexcept {
  number_ = register_process(*block_, owners_);
  journal_.set_number(number_);
  if (const std::uint64_t file = segment_->file(); file != 0) block_->file = file;
  fork_count_ = fork_count();
  token_ = new_token();
  return number_ != 0;
}

bool Attachment::any_process_alive() const noexcept {
  return std::ranges::any_of(block_->processes, [](const Process& process) {
    return process.attached != 0 && is_alive(process);
  });
}

// Returns true if this file is a copy: no process in its table can have it.
bool Attachment::is_copy() const noexcept {
  const std::uint64_t file = segment_->file();
  return file != 0 && block_->file != 0 && file != block_->file;
}

// The table keeps pids and numbers: they still tell the owners of blocks.
void Attachment::clear_processes() noexcept {
  for (Process& process : block_->processes) process.attached = 0;
}

bool Attachment::attach(CoreInterface& core, bool copy, bool salvage, Fault& fault) {
  segment_->lock_attach();
  const bool attached = segment_->is_removed() ? refuse_by_system(ENOENT, fault)
                                               : attach_alone(core, copy, salvage, fault);
  segment_->unlock_attach();
  return attached;
}

FaultKind Attachment::enter_in_time(CoreInterface& core, SharedState& state) noexcept {
  Wait wait(timeout_);
  FaultKind refusal = on_enter(core, state);
  while (refusal == FaultKind::lock_timeout) {
    refusal = wait.nap([this](Wait::Duration longest) { nap(longest); });
    if (refusal != FaultKind::none) return refusal;
    refusal = on_enter(core, state);
  }
  return refusal;
}

bool Attachment::attach_alone(CoreInterface& core, bool copy, bool salvage, Fault& fault) {
  if (copy || is_copy()) clear_processes();
  const bool alone = !any_process_alive();
  if (alone && !salvage && !has_pages_of_one_age(*segment_, fault)) return false;
  if (alone) init_lock(block_->mutex);
  SharedState state;
  fault.kind = enter_in_time(core, state);
  if (fault) return false;
  bool sound = !alone || try_recover(core, salvage, fault);
  if (sound && !register_self()) {
    fault = {.kind = FaultKind::too_many_processes, .maximum = most_processes};
    sound = false;
  }
  if (sound) {
    on_leave(core, {block_->damaged != 0, block_->epoch});
  } else {
    block_->last_writer = token_;
    unlock();
  }
  if (!sound && is_corruption(fault.kind)) {
    fault.field = name_of(fault.rule);
    fault.kind = FaultKind::bad_image;
  }
  return sound;
}

// --- Recovery. ---------------------------------------------------------------------------------

bool Attachment::recover(CoreInterface& core, bool salvage, Fault& fault) {
  const Intent in_flight = block_->intent.pending();
  core.load(block_->state);
  const bool whole =
      salvage ? mend(core, *segment_, in_flight, fault) : core.rebuild(in_flight, fault);
  if (!whole) return false;
  holders().repair(core);  // a dead process may have stopped before on_free
  core.store(block_->state);
  block_->intent.commit();
  block_->damaged = 0;
  block_->last_writer = 0;
  block_->flushed.generation = 0;
  return true;
}

bool Attachment::try_recover(CoreInterface& core, bool salvage, Fault& fault) noexcept {
  try {
    return recover(core, salvage, fault);
  } catch (const std::bad_alloc&) {
    fault = {.kind = FaultKind::no_pages};
    return false;
  }
}

// The lock's last owner died inside a call. Its call is undone; if that fails, the heap is damaged
// for every process.
void Attachment::recover_after_death(CoreInterface& core) noexcept {
  ++block_->recovered;
  Fault fault;
  if (!try_recover(core, false, fault)) block_->damaged = 1;
  mark_consistent(block_->mutex);
}

// --- Events. -----------------------------------------------------------------------------------

FaultKind Attachment::on_enter(CoreInterface& core, SharedState& state) noexcept {
  const LockResult result = try_lock(block_->mutex);
  if (result == LockResult::taken) return FaultKind::lock_timeout;
  // Written under the lock alone: two plain stores, in order with the stores between them.
  const std::uint64_t generation = block_->generation.load(std::memory_order_relaxed);
  block_->generation.store(generation | 1, std::memory_order_relaxed);
  fence();
  const bool died_inside = generation % 2 == 1;  // and the lock was made anew
  if (died_inside || result == LockResult::owner_died) [[unlikely]]
    recover_after_death(core);
  if (fork_count_ != fork_count() && !register_self()) [[unlikely]] {
    unlock();
    return FaultKind::too_many_processes;
  }
  if (block_->last_writer != token_) core.load(block_->state);
  state = {block_->damaged != 0, block_->epoch};
  return FaultKind::none;
}

// The owner of the lock wakes nobody.
void Attachment::nap(Wait::Duration longest) noexcept { std::this_thread::sleep_for(longest); }

void Attachment::on_leave(CoreInterface& core, const SharedState& state) noexcept {
  block_->last_writer = token_;
  crash_point();
  core.store(block_->state);
  block_->damaged = state.damaged ? 1 : 0;
  block_->epoch = state.epoch;
  unlock();
}

void Attachment::unlock() noexcept {
  block_->intent.commit();
  block_->generation.store(block_->generation.load(std::memory_order_relaxed) + 1,
                           std::memory_order_release);
  crash_point();
  release_lock(block_->mutex);
}

// A block that is freed by its address has no references left, not even of other processes.
void Attachment::on_free(Offset payload) noexcept { holders().clear_all_of(payload); }

void Attachment::on_reset() noexcept { holders().clear_all(); }

void Attachment::on_close() noexcept {
  if (segment_ == nullptr) return;
  if (number_ != 0 && fork_count_ == fork_count()) unregister_process(*block_, number_);
  segment_.reset();
  block_ = nullptr;
}

// --- Owners and references. --------------------------------------------------------------------

Process Attachment::owner(Offset start) const noexcept {
  const Number number = owners_[start / granule_size];
  return number == 0 || number > most_processes ? Process{} : block_->processes[number - 1];
}

bool Attachment::holder_is_alive(const Holder& holder) const noexcept {
  return holder.process != 0 && holder.process <= most_processes &&
         is_alive(block_->processes[holder.process - 1]);
}

}  // namespace glassheap::shared
