// address_list.hpp: the free blocks in one list, in address order, and an index beside it.
//
// The common part of the four classic fits. The list is stored in the free blocks, so that it is
// visible in the region; the index lies outside, and finds a block without a walk. The list has the
// block map's order: the next block is the nearest free block above. So the map is the list's other
// copy, and no block needs a record (block/records.hpp).
//
//     map      | live | free | live | live | free | live | top ........... |
//     node            | size | next ------> | size | next ------> | size | nil |
//
// An Index has add(block), remove(block), replace(old, now), clear(), largest(), visit_state(visit),
// confine_state() and own_memory(), for all free blocks but the top: the free block that ends the
// region has the highest address, and is split and grows more than any other, so it is kept apart
// and changes no index.
//
// Invariant. head_ is the lowest free block of the map; each node has the size that its block
// offers, and the next free block of the map as next.
// Cost. O(log n) a call.
#pragma once

#include "policy/policy.hpp"

namespace glassheap {

template <typename Self, typename Index>
class AddressList : public PolicyBase<Self> {
 public:
  // The start of the next free block.
  using Place = Offset;

  AddressList(BlockBytes& bytes, const BlockMap& map) : PolicyBase<Self>(bytes, map), index_(map) {}

  void clear() noexcept {
    head_ = nowhere;
    index_.clear();
  }

  [[nodiscard]] bool vet(Block block, Place& next) const noexcept {
    next = after(block);
    return this->is_node(block, link_to(next));
  }
  void explain(Block block, Fault& fault) const noexcept {
    this->explain_node(block, after(block), fault);
  }
  [[nodiscard]] Place place_of(Block block) const noexcept { return after(block); }

  void insert(Block block) noexcept {
    insert_top(block);
    index_.add(block);
  }
  void erase(Block block, Place next) noexcept {
    connect(block.start, block.start, next);
    index_.remove(block);
  }
  // A block that only grows at its end keeps its link.
  void replace(Block old, Place next, Block now) noexcept {
    replace_top(old, next, now);
    index_.replace(old, now);
  }
  void restore(Block from, const typename PolicyBase<Self>::Mark& /*before*/) noexcept {
    if (this->is_top(from)) {
      insert_top(from);
    } else {
      insert(from);
    }
  }

  [[nodiscard]] Offset linking_to(Block block) const noexcept {
    return block.start <= head_ ? nowhere : map_.free_before(block.start);
  }

  // The top is in the list, but not in the index.
  [[nodiscard]] bool vet_top(Block top, Place& next) const noexcept {
    next = nowhere;
    return this->is_node(top, GLASSHEAP_NIL);
  }
  void insert_top(Block block) noexcept {
    const Place next = after(block);
    bytes_.write_links(block.start, link_to(next), GLASSHEAP_NIL);
    connect(block.start, next, block.start);
  }
  void erase_top(Block block, Place next) noexcept { connect(block.start, block.start, next); }
  void replace_top(Block old, Place next, Block now) noexcept {
    if (now.start == old.start) return;
    bytes_.write_links(now.start, link_to(next), GLASSHEAP_NIL);
    connect(std::min(old.start, now.start), old.start, now.start);
  }
  void split_top(Block old, Place next, Block gap, Block rest) noexcept {
    replace_top(old, next, gap);
    index_.add(gap);
    if (rest) insert_top(rest);
  }

  [[nodiscard]] Size largest() const noexcept {
    return std::max(index_.largest(), map_.top().extent);
  }
  // In list order, up to the first unsound node.
  template <typename Visit>
  void list(Visit visit) const {
    Place next = map_.free_from(0);
    while (next != nowhere) {
      const Block block = map_.block_at(next);
      if (!bytes_.offers(block) || !vet(block, next)) return;
      visit(block);
    }
  }
  void inspect(Faults& faults) const {
    if (head_ != map_.free_from(0)) faults.push_back(broken_head());
    PolicyBase<Self>::inspect(faults);
  }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    visit(head_);
    index_.visit_state(visit);
  }
  [[nodiscard]] bool confine_state() noexcept {
    const bool possible = head_ == nowhere || (head_ < map_.region_size() && map_.free_at(head_));
    if (!possible) head_ = nowhere;
    return index_.confine_state() && possible;
  }
  [[nodiscard]] Size own_memory() const noexcept { return index_.own_memory(); }

 protected:
  using PolicyBase<Self>::bytes_;
  using PolicyBase<Self>::map_;

  // The top, if it can serve the request; otherwise no block.
  [[nodiscard]] Block top_for(const Request& request) const noexcept {
    return this->serves(map_.top(), request) ? map_.top() : Block{};
  }

  Index index_;

 private:
  [[nodiscard]] Offset after(Block block) const noexcept { return map_.free_after(block); }
  // Makes `next` what follows the nearest free block below `at`, in place of `old`; or the head, if
  // there is none. That is mostly known without a query to the map.
  void connect(Offset at, Offset old, Offset next) noexcept {
    const Offset before = at <= head_ ? nowhere : map_.free_before(at);
    if (before == nowhere) {
      head_ = next;
    } else {
      bytes_.replace_next(before, link_to(old), link_to(next));
    }
  }
  [[nodiscard]] Fault broken_head() const noexcept {
    return {.kind = FaultKind::free_list_corrupted,
            .rule = Rule::head,
            .expected = link_to(map_.free_from(0)),
            .found = link_to(head_)};
  }

  Offset head_ = nowhere;
};

}  // namespace glassheap
