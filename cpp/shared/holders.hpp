// holders.hpp: the table of references to shared blocks, in the segment.
//
// An entry is a reference, or several of one process; or a ticket: the reference of a pickled copy
// that no process has opened yet. The process that opens it takes the ticket for its own reference.
// A second process that opens the same copy finds no ticket, and adds a reference.
//
//     payload | process     | count | ticket        a reference: of `process`, ticket 0
//     payload | the sender  | 1     | time, number  a ticket: it goes when the sender has died
//     payload | the parent  | 1     | noted         that of a parent, whose child has shared the block
//
// A block that its parent has not shared has no reference. A child that shares it notes one for the
// parent too, which takes it when it shares the block itself, or drops it.
//
// A process can die between any two stores. The stores are in an order in which a living process
// never has an entry too many or too few. A search is O(most_holders), unless the table is empty.
#pragma once

#include "shared/superblock.hpp"

namespace glassheap::shared {

class Holders {
 public:
  explicit Holders(Superblock& block) noexcept : block_(block) {}

  // Adds a reference of the process. Returns false if the table is full.
  [[nodiscard]] bool add(Offset payload, Number process) noexcept;
  // Drops a reference of the process, if it has one.
  void drop(Offset payload, Number process) noexcept;
  // Returns true if the block has no ticket, and no reference except at most one of this process.
  [[nodiscard]] bool is_last(Offset payload, Number process) const noexcept;
  // The references and tickets of a block.
  [[nodiscard]] std::uint32_t count(Offset payload) const noexcept;

  // Makes a ticket of the process. Returns 0 if the table is full.
  [[nodiscard]] Ticket send(Offset payload, Number process) noexcept;
  // Turns the ticket into a reference of the process. Returns false if there is none.
  [[nodiscard]] bool take(Offset payload, Ticket ticket, Number process) noexcept;
  // Notes a reference for a process, unless one is noted. Returns false if the table is full.
  [[nodiscard]] bool note(Offset payload, Number process) noexcept;
  // Turns the reference that was noted for this process into one. Returns false if there is none.
  [[nodiscard]] bool take_noted(Offset payload, Number process) noexcept;
  // Drops it. Returns false if there is none.
  [[nodiscard]] bool drop_noted(Offset payload, Number process) noexcept;
  // Returns true if the entry is a ticket that was made `seconds` ago, or earlier.
  [[nodiscard]] static bool is_older(const Holder& holder, double seconds) noexcept;

  void clear(Holder& holder) noexcept;
  void clear_all_of(Offset payload) noexcept;
  void clear_all() noexcept;
  // Clears what a process that died left half written, which is entries without a live block.
  void repair(const CoreInterface& core) noexcept;

 private:
  template <typename Predicate>
  [[nodiscard]] Holder* find(Predicate predicate) const noexcept;
  [[nodiscard]] Holder* reference(Offset payload, Number process) const noexcept;
  [[nodiscard]] Holder* noted_for(Offset payload, Number process) const noexcept;
  void adopt(Holder& sent, Number process) noexcept;
  [[nodiscard]] bool enter(const Holder& holder) noexcept;

  Superblock& block_;
};

}  // namespace glassheap::shared
