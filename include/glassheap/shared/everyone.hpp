// everyone.hpp: what a process does for the others that share its heap, when it comes and goes.
#pragma once

#include "glassheap/heap.hpp"
#include "glassheap/shared/segment.hpp"
#include "glassheap/shared/superblock.hpp"

namespace glassheap::shared {

class Everyone final : public Sharer {
 public:
  Everyone(std::unique_ptr<Segment> segment, double timeout);
  Everyone(const Everyone&) = delete;
  Everyone& operator=(const Everyone&) = delete;
  ~Everyone() override;

  FaultKind enter(Core& core, Common& common) noexcept override;
  void leave(Core* core, const Common& common) noexcept override;
  [[nodiscard]] std::uint64_t recovered() const noexcept override { return block_->recovered; }
  void took(Block block) noexcept override;
  void freed(Offset payload) noexcept override;
  void emptied() noexcept override;
  void close() noexcept override;

  // Comes to a segment that somebody else has made. Where nobody else lives the lock is anybody's,
  // and the heap is looked at and made whole; false if it cannot be, or the lock is not to be had.
  [[nodiscard]] bool come(Core& core, bool copy, bool mend, Fault& fault);

  [[nodiscard]] Superblock& block() const noexcept { return *block_; }
  [[nodiscard]] const Segment& segment() const noexcept { return *segment_; }
  // Whose a live block is; a process of pid 0 if that is not known.
  [[nodiscard]] Process owner(Offset start) const noexcept;
  void attach() noexcept;

  // Under the lock: one hold more of this process on a block, and one less; drop says whether
  // anybody still has one.
  [[nodiscard]] bool hold(Offset payload, Fault& fault) noexcept;
  [[nodiscard]] bool drop(Offset payload, std::uint8_t from) noexcept;
  [[nodiscard]] std::uint8_t number() const noexcept { return number_; }
  [[nodiscard]] bool is_held(Offset payload) const noexcept { return holders_of(payload) != 0; }
  [[nodiscard]] std::uint32_t holders_of(Offset payload) const noexcept;
  [[nodiscard]] bool holder_lives(const Holder& holder) const noexcept;

 private:
  [[nodiscard]] bool take_over(Core& core, bool mend, Fault& fault);
  [[nodiscard]] bool tried_to_take_over(Core& core, bool mend, Fault& fault) noexcept;
  [[nodiscard]] bool was_copied() const noexcept;
  void forget_everyone() noexcept;
  [[nodiscard]] bool anybody_lives() const noexcept;
  void clear_up(Core& core) noexcept;
  void settle_holds(const Core& core) noexcept;

  std::unique_ptr<Segment> segment_;
  Superblock* block_;
  std::uint8_t* owners_;
  double timeout_;
  unsigned forks_;
  std::uint64_t token_;
  std::uint8_t number_ = 0;  // of this process, in the segment's table
};

}  // namespace glassheap::shared
