// undo_log.hpp: UndoLog, which takes a batch of allocations back, byte for byte. A batch succeeds
// as a whole or changes nothing, and whether it succeeds is known only when its last block has been
// found. So every split is noted before it is made, and a failure undoes the splits in reverse.
//
// Consecutive blocks are mostly split from the same free block. Such a run needs one entry: the
// free block, the 16 bytes at its front, and the policy's mark.
//
//     | from .................................................................... |
//     | block of payloads[first] | block of payloads[first + 1] | ... | rest .... |
//
// A pass that joins free blocks (space/deferred.hpp) is an entry too.
//
// Headers and nodes are written over bytes inside the free block. Most of these bytes are zero
// already; only the others are saved.
#pragma once

#include <cstring>
#include <optional>
#include <ranges>
#include <span>
#include <vector>

#include "core/recorder.hpp"

namespace glassheap {

// Returns true if no payload occurs twice; each must be the payload of a live block. Otherwise sets
// `fault`, and sets `refused` to the index of the second occurrence. In a shared heap the release of
// the blocks is certain then, also if the process dies.
[[nodiscard]] bool all_distinct(BlockMap& map, const Recorder& recorder,
                                std::span<const Offset> payloads, std::size_t& refused,
                                Fault& fault) noexcept;

// Fronts of blocks, as they were: sixteen bytes each, and their offsets.
class SavedHeaders {
 public:
  void save(Offset at, const header_t& front);  // throws std::bad_alloc if there is no memory
  [[nodiscard]] std::size_t count() const noexcept { return saved_.size(); }
  // Puts all but the first `keep` back, and forgets them; in reverse order: the first comes last.
  void put_back(BlockBytes& bytes, std::size_t keep = 0) noexcept;

 private:
  struct Saved {
    Offset at = nowhere;
    header_t front{};
  };
  std::vector<Saved> saved_;
};

template <typename Space, typename Mark>
class UndoLog {
 public:
  UndoLog(BlockBytes& bytes, BlockMap& map, Space& space)
      : bytes_(bytes), map_(map), space_(space) {}

  // Notes the split for block `index` of the batch. Call it before the split is made. Throws
  // std::bad_alloc if there is no memory for the note; the split must then not be made, and undo()
  // still works.
  void note(std::size_t index, const Split& split) {
    if (runs_.empty() || split.from != rest_)
      runs_.push_back({index, split.from, space_.mark(split.from), bytes_.save(split.from.start)});
    note_link_to(split.from);
    Space::visit_pieces(split.rest, [this](Block piece) { note_front(piece.start); });
    rest_ = split.rest;
  }
  // The same for a pass, as a function to be called before it. There is one pass at most: splits
  // leave no free blocks that touch.
  [[nodiscard]] auto noting_pass() noexcept {
    return [this] {
      pass_ = Pass{space_.before_pass(), runs_.size(), saved_.count()};
      rest_ = {};
    };
  }

  // Takes back the blocks that the batch has allocated: `payloads`, in the order of allocation.
  // Records each range of the region before it changes it, and the end of the call.
  [[gnu::cold]] void undo(std::span<const Offset> payloads, const Recorder& recorder) noexcept {
    if constexpr (Space::defers) {
      if (pass_) payloads = undo_with_pass(*pass_, payloads, recorder);
    }
    undo_runs(0, payloads, recorder);
    saved_.put_back(bytes_, 0);
    recorder.end_call();
  }

 private:
  struct Run {
    std::size_t first = 0;  // index of its first block in the batch
    Block from;
    [[no_unique_address]] Mark mark{};
    header_t front{};  // of `from`
  };
  struct Pass {
    typename Space::BeforePass before;
    std::size_t runs;   // noted before it
    std::size_t saved;  // fronts, the same
  };

  // The node that links to the block, and is about to get another link. A sound one is put back as
  // the split is undone; one that was overwritten has to keep its bytes.
  void note_link_to(Block from) {
    const Offset at = space_.policy().linking_to(from);
    if (at >= bytes_.size()) return;
    typename Space::Place place{};
    if (!space_.vet(map_.block_at(at), place)) saved_.save(at, bytes_.save(at));
  }
  void note_front(Offset at) {
    const header_t front = bytes_.save(at);
    const header_t none{};
    if (std::memcmp(&front, &none, sizeof front) != 0) saved_.save(at, front);
  }

  // Undoes all but the first `keep` runs. Returns the payloads that are left.
  std::span<const Offset> undo_runs(std::size_t keep, std::span<const Offset> payloads,
                                    const Recorder& recorder) noexcept {
    for (const Run& run : std::views::reverse(std::span(runs_).subspan(keep))) {
      if (run.first >= payloads.size()) continue;  // noted, but not split
      recorder.begin(run.from);
      recorder.disown(payloads.subspan(run.first));
      undo(run, payloads.subspan(run.first));
      payloads = payloads.first(run.first);
    }
    runs_.resize(std::min(keep, runs_.size()));
    return payloads;
  }
  // Undoes the runs after the pass, and the pass.
  std::span<const Offset> undo_with_pass(const Pass& pass, std::span<const Offset> payloads,
                                         const Recorder& recorder) noexcept {
    payloads = undo_runs(pass.runs, payloads, recorder);
    saved_.put_back(bytes_, pass.saved);
    space_.undo_pass(pass.before, [&recorder](Block whole) { recorder.begin(whole); });
    return payloads;
  }

  // Merges the blocks of the run into one, and returns it to the free block it was split from.
  [[gnu::cold]] void undo(const Run& run, std::span<const Offset> payloads) noexcept {
    Block taken = block_of(payloads.front());
    for (const Offset payload : payloads.subspan(1)) {
      const Block block = block_of(payload);
      map_.drop_live(block);
      bytes_.scrub(block.start);
      taken.extent += block.extent;
    }
    // The extents were read from the map, which other programs can overwrite in a shared heap.
    taken.extent = std::min(taken.extent, run.from.end() - taken.start);
    if (bytes_.layout.has_redzones()) redzone::fill(bytes_, taken);
    const Block rest{taken.end(), run.from.end() - taken.end()};
    bytes_.restore(run.from.start, run.front);
    space_.undo({run.from, {}, taken, rest}, run.mark);
    Space::visit_pieces(rest, [this](Block piece) { bytes_.scrub(piece.start); });
  }
  [[nodiscard]] Block block_of(Offset payload) const noexcept {
    return map_.block_at(bytes_.layout.start_of(payload));
  }

  BlockBytes& bytes_;
  BlockMap& map_;
  Space& space_;
  Block rest_;  // of the last split
  std::vector<Run> runs_;
  SavedHeaders saved_;
  std::optional<Pass> pass_;
};

}  // namespace glassheap
