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

  [[nodiscard]] bool is_shared() const noexcept { return journal_ != nullptr; }
  [[nodiscard]] const Layout& layout() const noexcept { return layout_; }

  // Records the range that the next stores change, so that another process can repair it if this
  // one dies. The range is given, or is that of a split.
  void begin(Block range, Size keep = 0, Size size = 0) const noexcept {
    if (journal_ != nullptr) journal_->begin(range, top(), keep, size);
  }
  void begin(const Split& split) const noexcept {
    if (journal_ != nullptr) journal_->begin_take(split.from, split.taken.start, top());
  }
  // The block that starts at `freed` is merged into `range`.
  void begin_release(Block range, Block freed) const noexcept {
    if (journal_ != nullptr) journal_->begin_release(range, freed.start, top());
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

  // A call of several blocks: begin_call(); mark() for each block that it will free, while it takes
  // others; keep() for those that it has taken, once it is certain to succeed; end_call().
  void begin_call() const noexcept {
    if (journal_ != nullptr) journal_->begin_call();
  }
  void mark(Block block) const noexcept {
    if (journal_ != nullptr) static_cast<void>(journal_->mark(block.start));
  }
  void keep(std::span<const Offset> payloads) const noexcept {
    if (journal_ == nullptr) return;
    journal_->keep(top());
    for (const Offset payload : payloads) journal_->own(layout_.start_of(payload));
  }
  void end_call() const noexcept {
    if (journal_ != nullptr) journal_->end_call();
  }
  // Begins a call of a shared heap that frees these blocks, and makes it certain. Returns their
  // number. If a block occurs twice, ends the call, and returns the index of its second occurrence.
  [[nodiscard]] std::size_t begin_frees(std::span<const Offset> payloads) const noexcept {
    begin_call();
    std::size_t marked = 0;
    while (marked < payloads.size() && journal_->mark(layout_.start_of(payloads[marked]))) ++marked;
    if (marked == payloads.size()) {
      journal_->keep(top());
      return marked;
    }
    for (const Offset payload : payloads.first(marked)) journal_->unmark(layout_.start_of(payload));
    end_call();
    return marked;
  }
  // Ends the call of a process that died. Calls release(block) for each block that it had to free.
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
