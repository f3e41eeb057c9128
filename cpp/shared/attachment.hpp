// attachment.hpp: one process's side of a shared heap.
//
//     on_enter   try the robust lock; recover if its owner died; load the core's state if another
//                process has stored it since
//     on_leave   store the core's state; commit the intent; release the lock
//
// The state and the index are never needed for a recovery: they are rebuilt from the block map and
// the intent record (check/intent_record.hpp).
#pragma once

#include "heap/sharing_hooks.hpp"
#include "shared/holders.hpp"
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
  void nap(Wait::Duration longest) noexcept override;
  [[nodiscard]] double timeout() const noexcept override { return timeout_; }
  void on_leave(CoreInterface& core, const SharedState& state) noexcept override;
  void on_free(Offset payload) noexcept override;
  void on_reset() noexcept override;
  void on_close() noexcept override;
  [[nodiscard]] std::uint64_t recovered() const noexcept override { return block_->recovered; }

  // A core over the segment, to be seeded, or to load a state. It must not outlive the attachment.
  // Throws std::bad_alloc if there is no memory for it.
  [[nodiscard]] std::unique_ptr<CoreInterface> make_core(const Options& options);

  // Attaches to an existing segment. If no other process lives, the lock is made anew and the heap
  // is recovered. Returns false if it cannot be recovered, or the lock is not free in time.
  [[nodiscard]] bool attach(CoreInterface& core, bool copy, bool salvage, Fault& fault);
  // Enters this process in the table of processes. Returns false if the table is full.
  [[nodiscard]] bool register_self() noexcept;

  // Lets other processes find a new segment, whose heap is complete.
  [[nodiscard]] bool publish(Fault& fault) { return segment_->publish(fault); }

  [[nodiscard]] Superblock& block() const noexcept { return *block_; }
  [[nodiscard]] const Segment& segment() const noexcept { return *segment_; }
  // This process's number in the table.
  [[nodiscard]] Number number() const noexcept { return number_; }
  // The process that allocated the live block at `start`; its pid is 0 if that is not known.
  [[nodiscard]] Process owner(Offset start) const noexcept;

  // The table of references; used under the lock.
  [[nodiscard]] Holders holders() const noexcept { return Holders(*block_); }
  [[nodiscard]] bool holder_is_alive(const Holder& holder) const noexcept;

 private:
  [[nodiscard]] FaultKind enter_in_time(CoreInterface& core, SharedState& state) noexcept;
  [[nodiscard]] bool attach_alone(CoreInterface& core, bool copy, bool salvage, Fault& fault);
  [[nodiscard]] bool recover(CoreInterface& core, bool salvage, Fault& fault);
  [[nodiscard]] bool try_recover(CoreInterface& core, bool salvage, Fault& fault) noexcept;
  void recover_after_death(CoreInterface& core) noexcept;
  void unlock() noexcept;

  [[nodiscard]] bool is_copy() const noexcept;
  [[nodiscard]] bool any_process_alive() const noexcept;
  void clear_processes() noexcept;

  std::unique_ptr<Segment> segment_;
  Superblock* block_;
  Journal journal_;
  Number* owners_;  // a process's number for each granule where a block starts
  double timeout_;  // seconds
  unsigned fork_count_;
  std::uint64_t token_;
  Number number_ = 0;
};

}  // namespace glassheap::shared
