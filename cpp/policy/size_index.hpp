// size_index.hpp: the free blocks by size, and by address among equals, for best fit.
//
// Small blocks are many and their sizes few: they are kept by exact size (exact_sizes.hpp). Large
// blocks can have any size, but there cannot be many: they are kept in a tree (large_tree.hpp).
// Both structures lie outside the region, and every answer is exact.
#pragma once

#include "policy/exact_sizes.hpp"
#include "policy/large_tree.hpp"

namespace glassheap {

class SizeIndex {
 public:
  // Empty. Throws std::bad_alloc if and only if there is no memory for it.
  explicit SizeIndex(const BlockMap& map) : small_(map), large_(map) {}

  void clear() noexcept {
    small_.clear();
    large_.clear();
  }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    large_.visit_state(visit);
  }
  [[nodiscard]] bool confine_state() noexcept { return large_.confine_state(); }
  [[nodiscard]] Size own_memory() const noexcept {
    return small_.own_memory() + large_.own_memory();
  }

  // A free block, not the top. The map already has the one to add, no longer the one to remove.
  void add(Block block) noexcept {
    if (is_small(block.extent)) {
      small_.add(block);
    } else {
      large_.add(block);
    }
  }
  void remove(Block block) noexcept {
    if (is_small(block.extent)) {
      small_.remove(block);
    } else {
      large_.remove(block);
    }
  }
  void replace(Block old, Block now) noexcept {
    remove(old);
    add(now);
  }

  [[nodiscard]] Size largest() const noexcept {
    const Size large = large_.largest();
    return large != 0 ? large : small_.largest();
  }

  // The first block, in order of size and then of address, that has more bytes than `key`, or as
  // many and starts at or after it; no block if there is none.
  [[nodiscard]] Block first(Block key) const noexcept {
    const Block small = is_small(key.extent) ? small_.first(key) : Block{};
    return small ? small : large_.first(key);
  }

 private:
  [[nodiscard]] static constexpr bool is_small(Size extent) noexcept {
    return extent < ExactSizes::limit;
  }

  ExactSizes small_;
  LargeTree large_;
};

}  // namespace glassheap
