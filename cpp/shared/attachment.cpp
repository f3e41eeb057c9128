#include "shared/attachment.hpp"

#include <algorithm>
#include <cerrno>
#include <new>

#include "shared/core_in_segment.hpp"
#include "shared/durability.hpp"
#include "shared/mending.hpp"
#include "shared/processes.hpp"

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
      owners_(reinterpret_cast<Number*>(segment_->data() + segment_->fixed().owners_at)),
      front_(segment_->fixed().headers != 0 ? granule_size : 0),
      timeout_(timeout),
      token_(new_token()),
      seat_(block_->lock, presence_) {}

Attachment::~Attachment() { on_close(); }

std::unique_ptr<CoreInterface> Attachment::make_core(const Options& options) {
  return core_over(*segment_, options, journal_);
}

// --- Attaching. --------------------------------------------------------------------------------

template <typename Attempt>
FaultKind Attachment::in_time(Wait& wait, Attempt attempt) noexcept {
  FaultKind refusal = attempt();
  while (refusal == FaultKind::lock_timeout) {
    refusal = wait.nap([this](Wait::Duration longest) { nap(longest); });
    if (refusal != FaultKind::none) return refusal;
    refusal = attempt();
  }
  return refusal;
}

bool Attachment::attach_first(const CoreInterface& core, Fault& fault) {
  if (segment_->is_memory()) Presence::remove_deserted();
  SharedState state;
  Wait wait(timeout_);
  fault.kind = in_time(wait, [&] { return begin_to_join(state); });
  fault.system_error = state.system_error;
  if (fault) return false;
  take(take_number(*block_, owners_, core.map(), presence_));
  presence_.unlock(attaching);
  return true;
}

bool Attachment::attach_to_copy(CoreInterface& core, const std::string& original, bool salvage,
                                Fault& fault) {
  presence_.observe(original);
  Wait wait(0);
  return attach(core, salvage, wait, fault);
}

bool Attachment::attach(CoreInterface& core, bool salvage, Wait& wait, Fault& fault) {
  SharedState state;
  const Joining as = salvage ? Joining::mender : Joining::newcomer;
  fault.kind = in_time(wait, [&] { return join(core, state, as); });
  fault.system_error = state.system_error;
  if (fault.kind == FaultKind::bad_image) {
    static_cast<void>(has_pages_of_one_age(*segment_, fault));  // completes the fault
    return false;
  }
  if (fault) return false;
  const bool sound = !alone_ || try_recover(core, salvage, fault);
  if (sound) {
    if (alone_) block_->line.clear();
    on_leave(core, state_in_block());
  } else {
    block_->processes[number_ - 1] = {};
    block_->last_writer = token_;
    abandon();
  }
  if (!sound && is_corruption(fault.kind)) {
    fault.field = name_of(fault.rule);
    fault.kind = FaultKind::bad_image;
  }
  return sound;
}

// One attempt to enter and to take a number. If this attachment is alone, the lock has no owner.
FaultKind Attachment::join(CoreInterface& core, SharedState& state, Joining as) noexcept {
  number_ = 0;
  token_ = new_token();
  if (const FaultKind refusal = begin_to_join(state); refusal != FaultKind::none) return refusal;
  alone_ = !presence_.has_company();
  FaultKind refusal = as == Joining::newcomer ? examine(state) : FaultKind::none;
  if (refusal == FaultKind::none) refusal = enter_anonymously(core, state);
  if (refusal == FaultKind::none) refusal = become_numbered(core);
  if (refusal != FaultKind::none) number_ = 0;
  presence_.unlock(attaching);
  return refusal;
}

// The segment may have been removed while this attachment waited. Nothing has been written yet.
FaultKind Attachment::examine(SharedState& state) const noexcept {
  if (segment_->is_removed()) {
    state.system_error = ENOENT;
    return FaultKind::system_error;
  }
  Fault fault;
  return alone_ && !has_pages_of_one_age(*segment_, fault) ? fault.kind : FaultKind::none;
}

FaultKind Attachment::enter_anonymously(CoreInterface& core, SharedState& state) noexcept {
  if (alone_) block_->lock.owner.store(0, std::memory_order_relaxed);
  number_ = attaching;
  return enter(core, state);
}

void Attachment::take(Number number) noexcept {
  number_ = number;
  journal_.set_number(number);
  block_->line.forget(number);
  if (const std::uint64_t file = segment_->file(); file != 0) block_->file = file;
}

Fault Attachment::try_open_presence() noexcept {
  Fault fault;
  try {
    static_cast<void>(presence_.open(*segment_, fault));
  } catch (const std::bad_alloc&) {
    fault.kind = FaultKind::no_pages;
  }
  return fault;
}

// Becomes the only one that is attaching. Returns lock_timeout if another one is.
FaultKind Attachment::begin_to_join(SharedState& state) noexcept {
  if (!presence_.is_ready()) {
    const Fault fault = try_open_presence();
    state.system_error = fault.system_error;
    if (fault) return fault.kind;
  }
  seat_.await_nothing();
  if (!presence_.try_lock(attaching)) return FaultKind::lock_timeout;
  if (!presence_.is_orphaned()) return FaultKind::none;
  presence_.leave();  // the next attempt opens another one
  return FaultKind::lock_timeout;
}

FaultKind Attachment::become_numbered(const CoreInterface& core) noexcept {
  const Number number = take_number(*block_, owners_, core.map(), presence_);
  if (number == 0) {
    abandon();
    return FaultKind::too_many_processes;
  }
  seat_.rename(number);
  take(number);
  return FaultKind::none;
}

// In a child that was forked. Its parent may have died inside a call.
FaultKind Attachment::rejoin(CoreInterface& core, SharedState& state) noexcept {
  FaultKind refusal = join(core, state, Joining::child);
  if (refusal != FaultKind::none || !alone_) return refusal;
  refusal = recover_or_damage(core);
  state = state_in_block();
  return refusal;
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
  death_pending_ = false;
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

// The lock's last owner died inside a call, which is undone or finished. One that attaches alone
// recovers the heap in any case, and may refuse it.
FaultKind Attachment::recover_after_death(CoreInterface& core) noexcept {
  ++block_->recovered;
  death_pending_ = true;
  const bool attaches_alone = alone_ && number_ == attaching;
  return attaches_alone ? FaultKind::none : recover_or_damage(core);
}

// A heap that cannot be recovered is damaged for every process. Without the memory for it the call
// is refused, and the next one recovers.
FaultKind Attachment::recover_or_damage(CoreInterface& core) noexcept {
  Fault fault;
  if (try_recover(core, false, fault)) return FaultKind::none;
  if (!is_corruption(fault.kind)) {
    abandon();
    return fault.kind;
  }
  block_->damaged = 1;
  death_pending_ = false;
  return FaultKind::none;
}

// --- Events. -----------------------------------------------------------------------------------

FaultKind Attachment::on_enter(CoreInterface& core, SharedState& state) noexcept {
  if (!is_member()) [[unlikely]]
    return rejoin(core, state);
  return enter(core, state);
}

FaultKind Attachment::enter(CoreInterface& core, SharedState& state) noexcept {
  const LockResult result = seat_.try_lock(number_);
  if (result == LockResult::taken) [[unlikely]]
    return FaultKind::lock_timeout;
  const bool died_inside = begin_call() % 2 == 1;  // and the lock was made anew
  if (died_inside || result == LockResult::owner_died) [[unlikely]] {
    if (const FaultKind refusal = recover_after_death(core); refusal != FaultKind::none)
      return refusal;
  }
  const bool sound = block_->last_writer == token_ || core.load(block_->state);
  state = state_in_block();
  if (!sound) state.damaged = true;
  return FaultKind::none;
}

// Returns the sequence number before this call; it is odd now. Written under the lock alone: a plain
// store here and one at the end, in order with the stores between them.
std::uint64_t Attachment::begin_call() noexcept {
  const std::uint64_t generation = block_->generation.load(std::memory_order_relaxed);
  block_->generation.store(generation | 1, std::memory_order_relaxed);
  fence();
  return generation;
}

CoreState* Attachment::on_plain_enter(CoreInterface& core) noexcept {
  if (!is_member() || !seat_.lock_if_free(number_)) [[unlikely]]
    return nullptr;
  const bool died_inside = block_->generation.load(std::memory_order_relaxed) % 2 == 1;
  const bool is_last_writer = block_->last_writer == token_;
  if (died_inside || (block_->damaged | block_->waiting) != 0 ||
      !(is_last_writer || core.load(block_->state))) [[unlikely]] {
    seat_.unlock();
    return nullptr;
  }
  begin_call();
  if (!is_last_writer) block_->last_writer = token_;
  crash_point();
  return &block_->state;
}

void Attachment::on_leave(CoreInterface& core, const SharedState& state) noexcept {
  block_->last_writer = token_;
  crash_point();
  core.store(block_->state);
  block_->damaged = state.damaged ? 1 : 0;
  block_->waiting = state.waiting ? 1 : 0;
  block_->epoch = state.epoch;
  unlock();
}

void Attachment::unlock() noexcept {
  block_->intent.commit();
  block_->generation.store(block_->generation.load(std::memory_order_relaxed) + 1,
                           std::memory_order_release);
  crash_point();
  seat_.unlock();
}

// Leaves without a change. The record of a dead process stays, and the sequence number stays odd, so
// that the next process recovers.
void Attachment::abandon() noexcept {
  if (death_pending_) {
    --block_->recovered;
  } else {
    block_->generation.store(block_->generation.load(std::memory_order_relaxed) + 1,
                             std::memory_order_release);
  }
  death_pending_ = false;
  seat_.unlock();
}

// A block that is freed by its address has no references left, not even of other processes.
void Attachment::on_free(Offset payload) noexcept { holders().clear_all_of(payload); }

void Attachment::on_reset() noexcept { holders().clear_all(); }

void Attachment::on_close() noexcept {
  if (segment_ == nullptr) return;
  presence_.leave();
  segment_.reset();
  block_ = nullptr;
}

// --- Owners and references. --------------------------------------------------------------------

bool Attachment::owns(Offset payload) const noexcept {
  return is_member() && owner_of(payload) == number_;
}

Number Attachment::owner(Offset start) const noexcept {
  const Number number = owners_[start / granule_size];
  return number <= most_processes ? number : Number{0};
}

std::uint32_t Attachment::pid_of(Number number) const noexcept {
  return number == 0 || number > most_processes ? 0 : block_->processes[number - 1].pid;
}

bool Attachment::is_alive(Waiter number) const noexcept {
  return number != 0 && number <= most_processes &&
         (number == number_ || presence_.is_locked(static_cast<Number>(number)));
}

}  // namespace glassheap::shared
