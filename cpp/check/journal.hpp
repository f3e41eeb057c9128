// journal.hpp: what a process writes into a shared heap before it changes a block, so that another
// process can finish or undo its call if it dies.
//
//     intent record    the range that is being changed (intent_record.hpp)
//     owners           a number for each granule of the region: that of the process that has the
//                      live block which starts there; 0 where no live block starts
//     call record      the stage of a call that takes or frees several blocks
//
// An owner is written before its block is live, and cleared before its block is free.
//
// A call of several blocks is a batch, or a realloc that moves its block. It is done as a whole or
// not at all. Until the call is certain to succeed, its blocks are marked in their owners:
//
//     stage     blocks that it takes     blocks that it frees      recovery after a death
//     none      -                        -                         -
//     marking   in_flight                owner | leaving           frees the taken, keeps the rest
//     keeping   in_flight, then owner    owner | leaving, then 0   keeps the taken, frees the rest
#pragma once

#include <span>

#include "block/block_map.hpp"
#include "check/intent_record.hpp"

namespace glassheap {

// The number of a process; 0: not known.
using OwnerNumber = std::uint16_t;

// Lies in the segment.
struct CallRecord {
  enum Stage : std::uint64_t { none, marking, keeping };

  std::uint64_t stage = none;
  std::uint64_t number = 0;   // of the process that makes the call
  std::uint64_t claimed = 0;  // the start of the block that was taken last
};

// One process's access to these three. A heap of one process has no journal.
class Journal {
 public:
  Journal(IntentRecord& intent, CallRecord& call, OwnerNumber* owners) noexcept
      : intent_(intent), call_(call), owners_(owners) {}

  // The number under which this process takes blocks.
  void set_number(OwnerNumber number) noexcept { number_ = taker_ = number; }

  // --- Before a range is changed; `top` is where the top starts. ---------------------------------

  void begin(Block range, Offset top, Size keep = 0, Size size = 0) noexcept {
    intent_.begin(range, top, keep, size);
  }
  // A block that starts at `taken` is split from `from`. The owner is written where no live block
  // starts yet. A recovery finds the place in the record.
  void begin_take(Block from, Offset taken, Offset top) noexcept {
    call_.claimed = taken;
    intent_.begin(from, top);
    set_owner(taken, taker_);
  }
  // The block that starts at `freed` is merged into `range`.
  void begin_release(Block range, Offset freed, Offset top) noexcept {
    intent_.begin(range, top);
    disown(freed);
  }

  void own(Offset start) noexcept { set_owner(start, number_); }
  void disown(Offset start) noexcept { set_owner(start, 0); }
  // Clears the owners of all blocks in `range`, which becomes free.
  void disown_all(const BlockMap& map, Block range) noexcept;

  // --- Calls of several blocks. -----------------------------------------------------------------

  // Begins a call. From now on the owner of each block that is taken is `in_flight`.
  void begin_call() noexcept;
  // Marks a live block that the call will free. Returns false if it is marked already.
  [[nodiscard]] bool mark(Offset start) noexcept;
  void unmark(Offset start) noexcept;
  // Makes the call certain: recovery finishes it if this process dies. The caller must then own()
  // each block that is in flight, and free each that is marked.
  void keep(Offset top) noexcept;
  void end_call() noexcept;

  // Returns true if the live block at `start` is to be freed, after the process that made the call
  // has died.
  [[nodiscard]] bool is_to_be_freed(Offset start) const noexcept;
  // Gives the live block at `start`, which is not to be freed, its owner.
  void settle(Offset start) noexcept;

 private:
  static constexpr OwnerNumber in_flight = 0xFFFF;
  static constexpr OwnerNumber leaving = 0x8000;  // no number of a process has this bit

  [[nodiscard]] OwnerNumber owner(Offset start) const noexcept {
    return owners_[start / granule_size];
  }
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
