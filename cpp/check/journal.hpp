// journal.hpp: what a process writes into a shared heap before it changes a block, so that another
// process can finish or undo its call if it dies.
//
//     intent record    the range that is being changed (intent_record.hpp)
//     owners           a number for each granule of the region: that of the process that has the
//                      live block which starts there; 0 where no live block starts
//     call record      the stage of a call that takes several blocks, or takes one and frees one
//
// An owner is written before its block is live, and cleared before its block is free.
//
// Such a call is done as a whole or not at all. It first takes each block for `in_flight`, a number
// of no process:
//
//     stage      owners of the blocks           recovery after a death
//     none       the process                    nothing is left to do
//     taking     in_flight                      those blocks are freed
//     keeping    in_flight, then the process    those blocks become the process's, and the block
//                                               that a realloc has moved is freed
#pragma once

#include <span>

#include "block/block_map.hpp"
#include "check/intent_record.hpp"

namespace glassheap {

// The number of a process; 0: not known.
using OwnerNumber = std::uint16_t;

// Lies in the segment.
struct CallRecord {
  enum Stage : std::uint64_t { none, taking, keeping };

  std::uint64_t stage = none;
  std::uint64_t number = 0;   // of the process that makes the call
  std::uint64_t moved = 0;    // the start of the block that is moved, plus 1; 0: no block is
  std::uint64_t claimed = 0;  // the start of the block that was taken last
};

// One process's access to these. A heap of one process has no journal.
class Journal {
 public:
  Journal(IntentRecord& intent, CallRecord& call, OwnerNumber* owners) noexcept
      : intent_(intent), call_(call), owners_(owners) {}

  // The number under which this process takes blocks.
  void set_number(OwnerNumber number) noexcept { number_ = taker_ = number; }

  // --- Before a range is changed; `top` is where the top starts. ---------------------------------

  void begin(Block range, Offset top, Size keep = 0, Size size = 0) noexcept;
  // A block that starts at `taken` is split from `from`.
  void begin_take(Block from, Offset taken, Offset top) noexcept;
  // The block that starts at `freed` is merged into `range`.
  void begin_release(Block range, Offset freed, Offset top) noexcept;

  void own(Offset start) noexcept { set_owner(start, number_); }
  void disown(Offset start) noexcept { set_owner(start, 0); }
  // Clears the owners of all blocks in `range`, which becomes free.
  void disown_all(const BlockMap& map, Block range) noexcept;

  // --- Calls that take several blocks. ----------------------------------------------------------

  // From here on blocks are taken for the call. It moves the block at `moved`, if that is one.
  void begin_call(Offset moved) noexcept;
  // The call will be finished, also if this process dies. The caller must then own() each block.
  void keep(Offset top) noexcept;
  void end_call() noexcept;

  // Recovery: returns true if the call's outcome is that the live block at `start` is freed;
  // otherwise gives it its owner.
  [[nodiscard]] bool settle(Offset start) noexcept;

 private:
  static constexpr OwnerNumber in_flight = 0xFFFF;

  void set_owner(Offset start, OwnerNumber number) noexcept {
    owners_[start / granule_size] = number;
    crash_point();
  }
  void enter(CallRecord::Stage stage) noexcept;

  IntentRecord& intent_;
  CallRecord& call_;
  OwnerNumber* owners_;
  OwnerNumber number_ = 0;
  OwnerNumber taker_ = 0;  // number_, or in_flight during a call
};

}  // namespace glassheap
