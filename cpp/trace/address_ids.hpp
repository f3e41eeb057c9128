// address_ids.hpp: the numbers of the live blocks, by their addresses.
//
// The table has open addressing with linear probing, and is at most half full. A removed entry leaves
// no mark: later entries of its run move up. Finding, adding and removing take O(1).
//
//     home of a                              home of c
//     | a          | b, whose home is a's    | c          | empty |
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace glassheap::trace {

class AddressIds {
 public:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  // The number of the block at an address, or none.
  [[nodiscard]] std::uint32_t find(std::uint64_t address) const noexcept {
    return slots_[slot_of(address)].id;
  }
  // The address must not be in the table. Throws std::bad_alloc.
  void add(std::uint64_t address, std::uint32_t id) {
    if (2 * ++count_ > slots_.size()) grow();
    slots_[slot_of(address)] = {address, id};
  }
  // The address must be in the table.
  void remove(std::uint64_t address) noexcept {
    --count_;
    std::size_t hole = slot_of(address);
    for (std::size_t at = next(hole); slots_[at].id != none; at = next(at)) {
      if (distance(home_of(slots_[at].address), at) < distance(hole, at)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole].id = none;
  }

 private:
  struct Slot {
    std::uint64_t address = 0;
    std::uint32_t id = none;  // none: the slot is empty
  };

  // Multiplicative hashing, by the golden ratio (Knuth).
  [[nodiscard]] std::size_t home_of(std::uint64_t address) const noexcept {
    return static_cast<std::size_t>(address * 0x9E3779B97F4A7C15U >> 32) & (slots_.size() - 1);
  }
  [[nodiscard]] std::size_t next(std::size_t at) const noexcept {
    return (at + 1) & (slots_.size() - 1);
  }
  [[nodiscard]] std::size_t distance(std::size_t from, std::size_t to) const noexcept {
    return (to - from) & (slots_.size() - 1);
  }
  // The slot that has the address, or the empty one where it belongs.
  [[nodiscard]] std::size_t slot_of(std::uint64_t address) const noexcept {
    std::size_t at = home_of(address);
    while (slots_[at].id != none && slots_[at].address != address) at = next(at);
    return at;
  }
  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.id != none) slots_[slot_of(slot.address)] = slot;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  std::size_t count_ = 0;
};

}  // namespace glassheap::trace
