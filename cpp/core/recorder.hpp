// recorder.hpp: Recorder, a core's access to the journal of a shared heap (check/journal.hpp). A
// heap of one process has none: then each function tests a pointer, and does nothing.
#pragma once

#include "check/recovery.hpp"
#include "space/space.hpp"

namespace glassheap {

class Recorder {
 public:
  Recorder(Journal* journal, const BlockMap& map, const Layout& layout) noexcept
      : journal_(journal), map_(map), layout_(layout) {}

  // Records the range that the next stores change, so that another process can repair it if this
  // one dies: any range, that of a split, that of a release.
  void begin(Block range, Size keep = 0, Size size = 0) const noexcept {
    if (journal_ != nullptr) journal_->begin(range, top(), keep, size);
  }
  void begin(const Split& split) const noexcept {
    if (journal_ != nullptr) journal_->begin_take(split.from, split.taken.start, top());
  }
  template <typename Space, typename Release>
  void begin(const Space& space, const Release& release, Block freed) const noexcept {
    if (journal_ != nullptr)
      journal_->begin_release(space.changed_range(release), freed.start, top());
  }

  void own(Block block) const noexcept {
    if (journal_ != nullptr) journal_->own(block.start);
  }
  void disown(std::span<const Offset> payloads) const noexcept {
    if (journal_ == nullptr) return;
    for (const Offset payload : payloads) journal_->disown(layout_.start_of(payload));
  }
  void disown_all(Block range) const noexcept {
    if (journal_ != nullptr) journal_->disown_all(map_, range);
  }

  // A call that takes several blocks, or moves the one at `moved`, begins; it has taken all of them,
  // and keeps them; it ends.
  void begin_call(Offset moved = nowhere) const noexcept {
    if (journal_ != nullptr) journal_->begin_call(moved);
  }
  void keep(std::span<const Offset> payloads) const noexcept {
    if (journal_ == nullptr) return;
    journal_->keep(top());
    for (const Offset payload : payloads) journal_->own(layout_.start_of(payload));
  }
  void end_call() const noexcept {
    if (journal_ != nullptr) journal_->end_call();
  }
  // Recovery: ends the call of the process that died. Calls release(block) for each to be freed.
  template <typename ReleaseBlock>
  void settle(const RecoveredBlocks& recovered, ReleaseBlock release) const noexcept {
    if (journal_ != nullptr) recovered.settle(*journal_, release);
  }

 private:
  [[nodiscard]] Offset top() const noexcept { return map_.top().start; }

  Journal* journal_;
  const BlockMap& map_;
  const Layout& layout_;
};

}  // namespace glassheap
