// attachment.hpp: one process's side of a shared heap.
//
//     on_enter   try the lock; recover if its owner died; load the core's state if another
//                process has stored it since
//     on_leave   store the core's state; commit the intent; release the lock
//
// Each attachment has a number of its own. A forked child inherits its parent's heap, but not the
// attachment: it takes a number when it first enters. Until then it owns nothing.
//
// The state and the index are never needed for a recovery: they are rebuilt from the block map and
// the intent record (check/intent_record.hpp).
#pragma once

#include "core/sharing_hooks.hpp"
#include "shared/holders.hpp"
#include "shared/lock_word.hpp"
#include "shared/presence.hpp"
#include "shared/segment.hpp"
#include "shared/superblock.hpp"

namespace glassheap::shared {

class Attachment final : public SharingHooks {
 public:
  Attachment(std::unique_ptr<Segment> segment, double timeout);
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;
  ~Attachment() override;

  FaultKind on_enter(CoreInterface& core, SharedState& state) noexcept override;
  void nap(Wait::Duration longest) noexcept override { seat_.nap(longest); }
  [[nodiscard]] double timeout() const noexcept override { return timeout_; }
  void on_leave(CoreInterface& core, const SharedState& state) noexcept override;
  CoreState* on_plain_enter(CoreInterface& core) noexcept override;
  void on_plain_leave() noexcept override { unlock(); }
  void on_free(Offset payload) noexcept override;
  void on_reset() noexcept override;
  [[nodiscard]] bool owns(Offset payload) const noexcept override;
  void on_close() noexcept override;
  [[nodiscard]] std::uint64_t recovered() const noexcept override { return block_->recovered; }

  // A core over the segment, to be seeded, or to load a state. It must not outlive the attachment.
  // Throws std::bad_alloc if there is no memory for it.
  [[nodiscard]] std::unique_ptr<CoreInterface> make_core(const Options& options);

  // Attaches to a segment that this process is creating. Refused if the system refuses.
  [[nodiscard]] bool attach_first(const CoreInterface& core, Fault& fault);
  // Attaches to an existing segment. If no other attachment lives, the heap is recovered. Returns
  // false if it cannot be recovered, or the wait for its lock has ended.
  [[nodiscard]] bool attach(CoreInterface& core, bool salvage, Wait& wait, Fault& fault);
  // The same to a copy of a segment, which has no other attachment. `original` is the path of the
  // file that it was copied from, to tell who lives; or empty.
  [[nodiscard]] bool attach_to_copy(CoreInterface& core, const std::string& original, bool salvage,
                                    Fault& fault);

  // Lets other processes find a new segment, whose heap is complete.
  [[nodiscard]] bool publish(Fault& fault) { return segment_->publish(fault); }

  [[nodiscard]] Superblock& block() const noexcept { return *block_; }
  [[nodiscard]] const Segment& segment() const noexcept { return *segment_; }
  // The number of this attachment; 0 in a child that has not entered since it was forked.
  [[nodiscard]] Number number() const noexcept { return is_member() ? number_ : Number{0}; }
  // The number of the attachment that allocated the live block at `start`; 0 if it is not known.
  [[nodiscard]] Number owner(Offset start) const noexcept;
  [[nodiscard]] Number owner_of(Offset payload) const noexcept { return owner(payload - front_); }
  // The pid of the process that has, or had, this number; 0 if it is not known.
  [[nodiscard]] std::uint32_t pid_of(Number number) const noexcept;
  [[nodiscard]] bool is_alive(Waiter number) const noexcept override;
  [[nodiscard]] WaitLine& line() noexcept override { return block_->line; }
  [[nodiscard]] Waiter waiter() const noexcept override { return number(); }

  // The table of references; used under the lock.
  [[nodiscard]] Holders holders() const noexcept { return Holders(*block_); }

 private:
  [[nodiscard]] bool is_member() const noexcept {
    return number_ != 0 && !presence_.is_lost_by_fork();
  }
  // A newcomer refuses a segment that was removed, and one that a power failure left with pages
  // from before and after a flush (durability.hpp).
  enum class Joining : std::uint8_t { newcomer, mender, child };
  [[nodiscard]] FaultKind join(CoreInterface& core, SharedState& state, Joining as) noexcept;
  [[nodiscard]] FaultKind examine(SharedState& state) const noexcept;
  [[nodiscard]] FaultKind enter_anonymously(CoreInterface& core, SharedState& state) noexcept;
  void take(Number number) noexcept;
  [[nodiscard]] SharedState state_in_block() const noexcept {
    return {
        .damaged = block_->damaged != 0, .waiting = block_->waiting != 0, .epoch = block_->epoch};
  }
  // Attempts again, in naps, while another process is in the way.
  template <typename Attempt>
  [[nodiscard]] FaultKind in_time(Wait& wait, Attempt attempt) noexcept;
  [[nodiscard]] FaultKind rejoin(CoreInterface& core, SharedState& state) noexcept;
  [[nodiscard]] FaultKind enter(CoreInterface& core, SharedState& state) noexcept;
  [[nodiscard]] Fault try_open_presence() noexcept;
  [[nodiscard]] FaultKind begin_to_join(SharedState& state) noexcept;
  [[nodiscard]] FaultKind become_numbered(const CoreInterface& core) noexcept;
  [[nodiscard]] bool recover(CoreInterface& core, bool salvage, Fault& fault);
  [[nodiscard]] bool try_recover(CoreInterface& core, bool salvage, Fault& fault) noexcept;
  [[nodiscard]] FaultKind recover_after_death(CoreInterface& core) noexcept;
  [[nodiscard]] FaultKind recover_or_damage(CoreInterface& core) noexcept;
  std::uint64_t begin_call() noexcept;
  void unlock() noexcept;
  void abandon() noexcept;

  std::unique_ptr<Segment> segment_;
  Superblock* block_;
  Journal journal_;
  Number* owners_;  // a process's number for each granule where a block starts
  Size front_;      // bytes before each payload
  double timeout_;  // seconds
  std::uint64_t token_;
  Number number_ = 0;
  bool alone_ = false;          // no other attachment lived when this one joined
  bool death_pending_ = false;  // inside a call, which is neither undone nor finished yet
  Presence presence_;
  LockSeat seat_;
};

}  // namespace glassheap::shared
