// everyone.hpp: what a process does for the others that share its heap, when it comes and goes.
#pragma once

#include "glassheap/heap.hpp"
#include "shared/segment.hpp"
#include "shared/superblock.hpp"

namespace glassheap::shared {

class Attachment final : public SharingHooks {
 public:
  Attachment(std::unique_ptr<Segment> segment, double timeout);
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;
  ~Attachment() override;

  FaultKind on_enter(CoreInterface& core, Common& common) noexcept override;
  void on_leave(CoreInterface* core, const Common& common) noexcept override;
  [[nodiscard]] std::uint64_t recovered() const noexcept override { return block_->recovered; }
  void on_allocate(Block block) noexcept override;
  void on_free(Offset payload) noexcept override;
  void on_reset() noexcept override;
  void on_close() noexcept override;

  // Comes to a segment that somebody else has made. Where nobody else lives the lock is anybody's,
  // and the heap is looked at and made whole; false if it cannot be, or the lock is not to be had.
  [[nodiscard]] bool attach(CoreInterface& core, bool copy, bool salvage, Fault& fault);

  [[nodiscard]] Superblock& block() const noexcept { return *block_; }
  [[nodiscard]] const Segment& segment() const noexcept { return *segment_; }
  // Whose a live block is; a process of pid 0 if that is not known.
  [[nodiscard]] Process owner(Offset start) const noexcept;
  void register_self() noexcept;

  // Under the lock: one hold more of this process on a block, and one less; drop says whether
  // anybody still has one.
  [[nodiscard]] bool add_ref(Offset payload, Fault& fault) noexcept;
  [[nodiscard]] bool drop_ref(Offset payload, std::uint8_t from) noexcept;
  [[nodiscard]] std::uint8_t number() const noexcept { return number_; }
  [[nodiscard]] bool is_held(Offset payload) const noexcept { return holders_of(payload) != 0; }
  [[nodiscard]] std::uint32_t holders_of(Offset payload) const noexcept;
  [[nodiscard]] bool holder_is_alive(const Holder& holder) const noexcept;

 private:
  [[nodiscard]] bool recover(CoreInterface& core, bool salvage, Fault& fault);
  [[nodiscard]] bool try_recover(CoreInterface& core, bool salvage, Fault& fault) noexcept;
  [[nodiscard]] bool was_copied() const noexcept;
  void clear_processes() noexcept;
  [[nodiscard]] bool any_process_alive() const noexcept;
  void recover_after_death(CoreInterface& core) noexcept;
  void rebuild_refs(const CoreInterface& core) noexcept;

  std::unique_ptr<Segment> segment_;
  Superblock* block_;
  std::uint8_t* owners_;
  double timeout_;
  unsigned fork_count_;
  std::uint64_t token_;
  std::uint8_t number_ = 0;  // of this process, in the segment's table
};

}  // namespace glassheap::shared
