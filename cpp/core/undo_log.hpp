// batch.hpp: what takes a batch of allocations back, to the byte.
//
// A batch succeeds whole or changes nothing. Whether it will succeed is known only when its last
// block has been found; so notes are taken on the way, and a failure plays them backwards.
//
// Block after block is mostly cut from one and the same free block. Such a run needs one entry: the
// block that it was cut from, the front of that, and what the policy remembered.
//
//     | from .................................................... |
//     | payloads[first] | payloads[first + 1] | ... | rest ...... |
//
// Headers and nodes are written over bytes that lay inside the free block. Most of them were zero
// already; only those that were not are noted.
#pragma once

#include <cstring>
#include <ranges>
#include <span>
#include <vector>

#include "space/space.hpp"

namespace glassheap {

// Whether no payload comes twice, each being a live block's. Otherwise `fault` says so, and
// `refused` which is the second.
[[nodiscard]] bool all_distinct(BlockMap& map, const Layout& layout,
                                std::span<const Offset> payloads, std::size_t& refused,
                                Fault& fault) noexcept;

// Sixteen bytes each, and where they were.
class SavedHeaders {
 public:
  void save(Offset at, const header_t& front);      // throws std::bad_alloc if there is no memory
  void put_back(BlockBytes& bytes) const noexcept;  // the first that was kept comes last

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

  // Before the cut for the block `index` of the batch. Throws std::bad_alloc if there is no memory
  // for the note; the cut is then not to be made, and undo() holds.
  void note(std::size_t index, const Split& split) {
    if (runs_.empty() || split.from != rest_)
      runs_.push_back({index, split.from, space_.mark(), bytes_.save(split.from.start)});
    Space::visit_pieces(split.rest, [this](Block piece) { note_front(piece.start); });
    rest_ = split.rest;
  }

  // Takes back the blocks that the batch has got, which are these, in this order; depart(stretch)
  // is told of each stretch before it is changed.
  template <typename Depart>
  [[gnu::cold]] void undo(std::span<const Offset> payloads, Depart begin_intent) noexcept {
    for (const Run& run : std::views::reverse(runs_)) {
      if (run.first >= payloads.size()) continue;  // noted, and not cut
      begin_intent(run.from);
      undo(run, payloads.subspan(run.first));
      payloads = payloads.first(run.first);
    }
    saved_.put_back(bytes_);
  }

 private:
  struct Run {
    std::size_t first = 0;
    Block from;
    [[no_unique_address]] Mark mark{};
    header_t front{};
  };

  void note_front(Offset at) {
    const header_t front = bytes_.save(at);
    const header_t none{};
    if (std::memcmp(&front, &none, sizeof front) != 0) saved_.save(at, front);
  }

  // The blocks of the run become one again, and that is given back to where it was cut from.
  [[gnu::cold]] void undo(const Run& run, std::span<const Offset> payloads) noexcept {
    Block taken = block_of(payloads.front());
    for (const Offset payload : payloads.subspan(1)) {
      const Block block = block_of(payload);
      map_.drop_live(block);
      bytes_.scrub(block.start);
      taken.extent += block.extent;
    }
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
  Block rest_;  // of the last cut
  std::vector<Run> runs_;
  SavedHeaders saved_;
};

}  // namespace glassheap
