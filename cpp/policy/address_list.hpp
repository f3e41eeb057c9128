// address_list.hpp: the free blocks in one list, in address order, and an index beside it.
//
// The common part of the four classic fits. The list is stored in the free blocks (links.hpp), so
// that it is visible in the region; the index lies outside, and finds a block without a walk. The
// list has the block map's order: a block's predecessor is the nearest free block below it, and so
// a freed block finds its place by the map.
//
// An Index has add(block), remove(block), replace(old, now), clear(), largest(), visit_state(visit),
// confine_state() and own_memory(), for all free blocks but the top: the free block that ends the
// region has the highest address, and is split and grows more than any other, so it is kept apart
// and changes no index.
//
// Invariant. head and tail are the lowest and the highest free block of the map; each node has the
// size that its block offers, the next free block of the map as next, the previous one as prev.
// Cost. O(log n) a call.
#pragma once

#include "block/links.hpp"
#include "policy/policy.hpp"

namespace glassheap {

template <typename Self, typename Index>
class AddressList : public PolicyBase<Self> {
 public:
  AddressList(BlockBytes& bytes, const BlockMap& map)
      : PolicyBase<Self>(bytes, map), index_(map), links_(bytes, map) {}

  void clear() noexcept {
    ends_ = {};
    index_.clear();
  }

  // A block that is split or grows keeps its place in the list; so only its own node is written,
  // and those that link to it.
  [[nodiscard]] bool vet(Block block, Fault& fault) const noexcept {
    return links_.is_sound(ends_, block) || explain(block.start, fault);
  }
  [[nodiscard]] bool vet_replace(Block old, Block /*now*/, Fault& fault) const noexcept {
    return vet(old, fault);
  }
  [[nodiscard]] bool vet_insert(Block block, Fault& fault) const noexcept {
    const Offset before = predecessor(block.start);
    const Offset neighbour = before != nowhere ? before : ends_.first();
    return neighbour == nowhere || vet(map_.block_at(neighbour), fault);
  }
  [[nodiscard, gnu::noinline]] bool vet_list_neighbours(Block block, Fault& fault) const noexcept {
    return links_.vet_list_neighbours(ends_, block, fault);
  }

  void insert(Block block) noexcept {
    const Offset prev = predecessor(block.start);
    links_.insert(ends_, block, prev, prev == nowhere ? ends_.first() : links_.next(prev));
    if (!this->is_top(block)) index_.add(block);
  }
  void erase(Block block) noexcept {
    links_.erase(ends_, block);
    if (!this->is_top(block)) index_.remove(block);
  }
  void replace(Block old, Block now) noexcept {
    links_.replace(ends_, old, now);
    if (this->is_top(now)) {
      if (!this->is_top(old)) index_.remove(old);
    } else if (this->is_top(old)) {
      index_.add(now);
    } else {
      index_.replace(old, now);
    }
  }

  [[nodiscard]] Size largest() const noexcept {
    return std::max(index_.largest(), map_.top().extent);
  }
  template <typename Visit>
  void list(Visit visit) const {
    links_.walk(ends_, visit);
  }
  void inspect(Faults& faults) const {
    if (ends_.first() != map_.free_from(0)) faults.push_back(broken_head());
    for (Offset at = map_.free_from(0); at != nowhere; at = after(at)) {
      Fault fault;
      if (!agrees_with_map(at, fault)) faults.push_back(fault);
    }
  }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    visit(ends_);
    index_.visit_state(visit);
  }
  [[nodiscard]] bool confine_state() noexcept {
    const bool possible_ends = links_.confine(ends_);
    return index_.confine_state() && possible_ends;
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
  [[nodiscard]] Offset after(Offset at) const noexcept { return map_.free_from(at + granule_size); }

  // The nearest free block below `at`, or nowhere; without a query to the map if there can be none.
  [[nodiscard]] Offset predecessor(Offset at) const noexcept {
    return ends_.empty() || at <= ends_.first() ? nowhere : map_.free_before(at);
  }

  [[nodiscard]] bool agrees_with_map(Offset at, Fault& fault) const noexcept {
    return Checker(bytes_, map_).node(at, after(at), map_.free_before(at), fault);
  }
  // Finds which node at `at`, or beside it, disagrees with the map. Always returns false, for its
  // callers to return.
  [[gnu::cold, gnu::noinline]] bool explain(Offset at, Fault& fault) const noexcept {
    for (const Offset node : {at, map_.free_before(at), after(at)}) {
      if (node != nowhere && !agrees_with_map(node, fault)) return false;
    }
    fault = broken_head();
    return false;
  }
  [[nodiscard]] Fault broken_head() const noexcept {
    return {.kind = FaultKind::free_list_corrupted,
            .rule = Rule::head,
            .expected = link_to(map_.free_from(0)),
            .found = ends_.head};
  }

  Links<Top::listed> links_;
  ListEnds ends_;
};

}  // namespace glassheap
