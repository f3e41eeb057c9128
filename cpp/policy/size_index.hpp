// size_index.hpp: the free blocks by size, and by address among equals, for best and worst fit.
//
// Small blocks are many and their sizes few: they are kept by exact size (exact_sizes.hpp). Large
// blocks can have any size, but there cannot be many: they are kept in a tree (large_tree.hpp).
// Both structures lie outside the region, and every answer is exact.
#pragma once

#include "policy/address_list.hpp"
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

  // The smallest existing extent of at least `extent` bytes; the largest existing one; and the
  // largest below `extent`, which is some block's. 0 if there is none.
  [[nodiscard]] Size smallest(Size extent) const noexcept {
    const Size small = small_.smallest(extent);
    return small != 0 ? small : large_.first({0, extent}).extent;
  }
  [[nodiscard]] Size largest() const noexcept {
    const Size large = large_.largest();
    return large != 0 ? large : small_.largest();
  }
  [[nodiscard]] Size largest_below(Size extent) const noexcept {
    const Size large = is_small(extent) ? 0 : large_.largest_below(extent);
    return large != 0 ? large : small_.largest_below(extent);
  }

  // The lowest block of exactly `extent` bytes that starts at `from` or above; no block if there is
  // none.
  [[nodiscard]] Block first(Offset from, Size extent) const noexcept {
    if (is_small(extent)) return small_.first(from, extent);
    const Block block = large_.first({from, extent});
    return block.extent == extent ? block : Block{};
  }

 private:
  [[nodiscard]] static constexpr bool is_small(Size extent) noexcept {
    return extent < ExactSizes::limit;
  }

  ExactSizes small_;
  LargeTree large_;
};

// The search by size, for best fit and worst fit.
template <typename Self>
class SizeFit : public AddressList<Self, SizeIndex> {
 public:
  using AddressList<Self, SizeIndex>::AddressList;

 protected:
  // The lowest block of exactly `extent` bytes that can serve the request; no block if there is
  // none. Only a request with an alignment may find a block large enough that cannot serve it.
  [[nodiscard]] Block lowest_of_size(Size extent, const Request& request) const noexcept {
    Block block = this->index_.first(0, extent);
    while (block && !this->serves(block, request))
      block = this->index_.first(block.start + granule_size, extent);
    return block;
  }
  // The top, if it can serve the request; otherwise no block.
  [[nodiscard]] Block top_for(const Request& request) const noexcept {
    return this->serves(this->map_.top(), request) ? this->map_.top() : Block{};
  }
};

}  // namespace glassheap
