// first_fit.hpp: the lowest address that fits.
//
// Problem. Of all free blocks that can hold a request, take the one that stands first in memory.
// Large blocks at high addresses stay whole, so first fit fragments little in practice (Wilson,
// Johnstone, Neely and Boles 1995), and anyone can say beforehand which address a call returns.
//
// Structure. The free blocks form one list in address order, and the list lies in the free blocks
// themselves: node_t.next and node_t.prev are the granules of the neighbours in the list.
//
//     head ->| 96 | next |..|   (live)   | 32 | next |..|   (live)   | 3824 | nil |.......|
//            <------------- prev is the same chain the other way ------------>
//
// Invariant. head and tail are the lowest and the highest free block of the block map; each node's
// size is its block's extent less 16, its next the next free block of the map, its prev the
// previous one. So a node can be checked before it is believed: its size against the map, its links
// against the nodes that they lead to, which must be free blocks on its right side that link back.
//
// On a walk the way back is where it came from, and the way on leads upwards: so a walk ends,
// whatever stands in the nodes.
//
// Cost. find_free walks the list, O(n) in the number of free blocks. All else is O(log64 n): a
// block that is freed finds its place in the list by the map.
#pragma once

#include <algorithm>

#include "glassheap/policy/policy.hpp"

namespace glassheap {

class FirstFit {
 public:
  static constexpr std::string_view name = "first_fit";

  FirstFit(Blocks& blocks, const BlockMap& map) noexcept : blocks_(blocks), map_(map) {}

  void seed(Block whole) noexcept {
    head_ = tail_ = nowhere;
    insert(whole);
  }

  [[nodiscard]] Slot find_free(const Request& request, Fault& fault) const noexcept {
    Offset before = nowhere;
    for (Offset at = head_; at != nowhere;) {
      const node_t node = blocks_.node(at);
      const Block block = map_.block_at(at);
      const Offset next = linked(node.next);
      const bool passable =
          node.size == on_offer(block.extent) && linked(node.prev) == before && leads_on(at, next);
      if (!passable && !explain(at, fault)) return {};
      if (const auto start = blocks_.place(block, request))
        return vet(block, fault) ? Slot{block, *start} : Slot{};
      before = at;
      at = next;
    }
    return {};
  }

  [[nodiscard]] bool vet(Block block, Fault& fault) const noexcept {
    const Offset at = block.start;
    const node_t node = blocks_.node(at);
    const Offset next = linked(node.next);
    const Offset prev = linked(node.prev);
    const bool sound =
        node.size == on_offer(block.extent) &&
        (next == nowhere ? at == tail_ : next > at && links_back(next, at, &node_t::prev)) &&
        (prev == nowhere ? at == head_ : prev < at && links_back(prev, at, &node_t::next));
    return sound || explain(at, fault);
  }

  [[nodiscard]] bool vet_place(Offset at, Fault& fault) const noexcept {
    const Offset before = neighbour_before(at);
    const Offset near = before != nowhere ? before : head_;
    return near == nowhere || vet(map_.block_at(near), fault);
  }

  void insert(Block block) noexcept {
    const Offset prev = neighbour_before(block.start);
    const Offset next = prev == nowhere ? head_ : linked(blocks_.node(prev).next);
    put(block, prev, next);
  }

  void erase(Block block) noexcept {
    const node_t node = blocks_.node(block.start);
    set_next(linked(node.prev), linked(node.next));
    set_prev(linked(node.next), linked(node.prev));
  }

  void replace(Block old, Block now) noexcept {
    const node_t node = blocks_.node(old.start);
    put(now, linked(node.prev), linked(node.next));
  }

  [[nodiscard]] Size largest() const noexcept {
    Size largest = 0;
    for (Offset at = map_.free_from(0); at != nowhere; at = free_after(at))
      largest = std::max(largest, map_.block_at(at).extent);
    return largest;
  }

  template <typename Visit>
  void list(Visit visit) const {
    Fault ignored;  // inspect() reports it; here the list just ends
    for (Offset at = head_; at != nowhere; at = linked(blocks_.node(at).next)) {
      const Block block = map_.block_at(at);
      if (!vet(block, ignored)) return;
      visit(block);
    }
  }

  void inspect(Findings& findings) const {
    if (head_ != map_.free_from(0)) findings.push_back(broken_head());
    for (Offset at = map_.free_from(0); at != nowhere; at = free_after(at)) {
      Fault fault;
      if (!agrees_with_map(at, fault)) findings.push_back(fault);
    }
  }

 private:
  [[nodiscard]] Offset free_after(Offset at) const noexcept {
    return map_.free_from(at + granule_size);
  }

  // The free block in front of a place; without asking the map where there cannot be one.
  [[nodiscard]] Offset neighbour_before(Offset at) const noexcept {
    return head_ == nowhere || at <= head_ ? nowhere : map_.free_before(at);
  }

  // Whether `next` may follow `at` in the list: upwards, a free block, or the end behind the tail.
  [[nodiscard]] bool leads_on(Offset at, Offset next) const noexcept {
    if (next == nowhere) return at == tail_;
    return next > at && next < blocks_.size() && map_.free_at(next);
  }

  [[nodiscard]] bool links_back(Offset there, Offset here,
                                std::uint32_t node_t::* link) const noexcept {
    return there < blocks_.size() && map_.free_at(there) &&
           linked(blocks_.node(there).*link) == here;
  }

  [[nodiscard]] bool agrees_with_map(Offset at, Fault& fault) const noexcept {
    return Judge(blocks_, map_).node(at, free_after(at), map_.free_before(at), fault);
  }

  // Some node near `at` is not as the map has it: says which. Returns false, for its callers.
  [[gnu::cold, gnu::noinline]] bool explain(Offset at, Fault& fault) const noexcept {
    for (const Offset node : {at, map_.free_before(at), free_after(at)}) {
      if (node != nowhere && !agrees_with_map(node, fault)) return false;
    }
    fault = broken_head();
    return false;
  }

  [[nodiscard]] Fault broken_head() const noexcept {
    return {.kind = FaultKind::free_list_corrupted,
            .rule = Rule::head,
            .expected = link_to(map_.free_from(0)),
            .found = link_to(head_)};
  }

  void put(Block block, Offset prev, Offset next) noexcept {
    blocks_.write_node(block.start, {on_offer(block.extent), link_to(next), link_to(prev)});
    set_next(prev, block.start);
    set_prev(next, block.start);
  }

  // What leads on from `prev`, or to the first block; and back from `next`, or to the last.
  void set_next(Offset prev, Offset next) noexcept {
    if (prev == nowhere) {
      head_ = next;
    } else {
      blocks_.set_next(prev, next);
    }
  }
  void set_prev(Offset next, Offset prev) noexcept {
    if (next == nowhere) {
      tail_ = prev;
    } else {
      blocks_.set_prev(next, prev);
    }
  }

  Blocks& blocks_;
  const BlockMap& map_;
  Offset head_ = nowhere;
  Offset tail_ = nowhere;
};

static_assert(Policy<FirstFit>);

}  // namespace glassheap
