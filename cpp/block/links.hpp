// links.hpp: doubly linked lists that are stored in the free blocks themselves.
//
// node_t.next and node_t.prev are the granules of a block's neighbours in its list. A list is
// identified by its two ends, which are kept outside the region:
//
//     head ->| 96 | next |..|   (live)   | 32 | next |..|   (live)   | 3824 | nil |....|<- tail
//            <------------- prev is the same chain the other way ------------>
//
// A program may write to a block after it is freed; so a node is checked before it is trusted. A
// sound node has the size that the block map implies; its next is a free block that links back, or
// nil in the tail; and likewise its prev. A walk from an end that continues only from sound nodes
// terminates: a node that is reached twice would have two prevs, or the head would have one.
//
// Cost: O(1) a call.
#pragma once

#include "check/checker.hpp"

namespace glassheap {

// The two ends of a list, as granules.
struct ListEnds {
  std::uint32_t head = GLASSHEAP_NIL;
  std::uint32_t tail = GLASSHEAP_NIL;

  [[nodiscard]] Offset first() const noexcept { return linked(head); }
  [[nodiscard]] Offset last() const noexcept { return linked(tail); }
  [[nodiscard]] bool empty() const noexcept { return head == GLASSHEAP_NIL; }
};

// The fault of a list that has fewer blocks than the map has free ones.
[[nodiscard]] inline Fault unlisted(Size blocks, Size listed) noexcept {
  return {.kind = FaultKind::free_list_corrupted,
          .rule = Rule::listed,
          .expected = blocks,
          .found = listed};
}

// Whether the top, the free block that ends the region, is in a list or kept apart from all lists.
enum class Top : bool { listed, excluded };

// True if two free blocks are in the same list, for a policy with several lists.
using SameList = bool (*)(Block, Block) noexcept;

template <Top top>
class Links {
 public:
  Links(
      BlockBytes& bytes, const BlockMap& map,
      SameList same_list = [](Block, Block) noexcept { return true; }) noexcept
      : bytes_(bytes), map_(map), same_list_(same_list) {}

  [[nodiscard]] Offset next(Offset at) const noexcept { return linked(bytes_.node(at).next); }
  [[nodiscard]] Offset prev(Offset at) const noexcept { return linked(bytes_.node(at).prev); }

  // --- Queries. ---------------------------------------------------------------------------------

  // True if the node of `block`, a free block of this list, is sound.
  [[nodiscard]] bool is_sound(const ListEnds& ends, Block block) const noexcept {
    const node_t node = bytes_.node(block.start);
    const std::uint32_t self = link_to(block.start);
    return node.size == bytes_.layout.on_offer(block.extent) &&
           (ends.tail == self ? node.next == GLASSHEAP_NIL
                              : leads_back(node.next, self, &node_t::prev)) &&
           (ends.head == self ? node.prev == GLASSHEAP_NIL
                              : leads_back(node.prev, self, &node_t::next));
  }
  [[nodiscard]] bool vet(const ListEnds& ends, Block block, Fault& fault) const noexcept {
    return is_sound(ends, block) || explain(ends, block, fault);
  }
  // True if the nodes on either side of a sound one are sound: erasing it links them to each other.
  [[nodiscard]] bool vet_beside(const ListEnds& ends, Block block, Fault& fault) const noexcept {
    const node_t node = bytes_.node(block.start);
    return vet_end(ends, node.prev, fault) && vet_end(ends, node.next, fault);
  }
  // True if `end` is nil, or links to a sound node: another block may be linked in beside it.
  [[nodiscard]] bool vet_end(const ListEnds& ends, std::uint32_t end, Fault& fault) const noexcept {
    return end == GLASSHEAP_NIL || vet(ends, map_.block_at(linked(end)), fault);
  }

  // Calls visit(block) from the head on, up to the first unsound node. True if there is none.
  template <typename Visit>
  // Most callers need only the visits. NOLINTNEXTLINE(modernize-use-nodiscard)
  bool walk(const ListEnds& ends, Visit visit) const {
    for (Offset at = ends.first(); at != nowhere; at = next(at)) {
      const Block block = map_.block_at(at);
      if (!is_sound(ends, block)) return false;
      visit(block);
    }
    return true;
  }

  // --- Updates. Every node that is read here has been vetted. -----------------------------------

  void put(ListEnds& ends, Block block, Offset prev, Offset next) noexcept {
    bytes_.write_node(block, next, prev);
    join(ends, prev, block.start);
    join_back(ends, block.start, next);
  }
  void push_front(ListEnds& ends, Block block) noexcept { put(ends, block, nowhere, ends.first()); }
  void push_back(ListEnds& ends, Block block) noexcept { put(ends, block, ends.last(), nowhere); }
  void erase(ListEnds& ends, Block block) noexcept {
    const node_t node = bytes_.node(block.start);
    join(ends, linked(node.prev), linked(node.next));
    join_back(ends, linked(node.prev), linked(node.next));
  }
  void replace(ListEnds& ends, Block old, Block now) noexcept {
    const node_t node = bytes_.node(old.start);
    put(ends, now, linked(node.prev), linked(node.next));
  }
  // Puts an erased block back between its neighbours, to which its node still links.
  void relink(ListEnds& ends, Block block) noexcept { replace(ends, block, block); }

 private:
  // A direction along a list: the link that leads on, the one that leads back, and the two ends.
  struct Way {
    std::uint32_t node_t::* on;
    std::uint32_t node_t::* back;
    Rule on_rule, back_rule;
    std::uint32_t from, to;
  };

  [[nodiscard]] bool is_listed(std::uint32_t link) const noexcept {
    const Offset at = linked(link);
    return at < bytes_.size() && map_.free_at(at) && (top == Top::listed || at != map_.top().start);
  }
  [[nodiscard]] bool leads_back(std::uint32_t there, std::uint32_t here,
                                std::uint32_t node_t::* link) const noexcept {
    return there != here && is_listed(there) && bytes_.node(linked(there)).*link == here;
  }

  // Makes `prev` link to `next`; the list begins with `next` if `prev` is nowhere.
  void join(ListEnds& ends, Offset prev, Offset next) noexcept {
    if (prev == nowhere) {
      ends.head = link_to(next);
    } else {
      bytes_.set_next(prev, next);
    }
  }
  // Makes `next` link back to `prev`; the list ends with `prev` if `next` is nowhere.
  void join_back(ListEnds& ends, Offset prev, Offset next) noexcept {
    if (next == nowhere) {
      ends.tail = link_to(prev);
    } else {
      bytes_.set_prev(next, prev);
    }
  }

  // Finds the wrong field of the wrong node, given that `block` is not sound. Always returns false,
  // for its callers to return.
  [[gnu::cold, gnu::noinline]] bool explain(const ListEnds& ends, Block block,
                                            Fault& fault) const noexcept {
    const node_t node = bytes_.node(block.start);
    const Size offer = bytes_.layout.on_offer(block.extent);
    if (node.size != offer)
      fault = broken(Rule::node_size, block.start, offer, node.size);
    else if (leads_right(block, forward(ends)))
      fault = astray(block.start, backward(ends));
    else
      fault = astray(block.start, forward(ends));
    return false;
  }
  [[nodiscard]] static Way forward(const ListEnds& ends) noexcept {
    return {&node_t::next, &node_t::prev, Rule::next, Rule::prev, ends.head, ends.tail};
  }
  [[nodiscard]] static Way backward(const ListEnds& ends) noexcept {
    return {&node_t::prev, &node_t::next, Rule::prev, Rule::next, ends.tail, ends.head};
  }
  [[nodiscard]] bool leads_right(Block block, const Way& way) const noexcept {
    const std::uint32_t there = bytes_.node(block.start).*way.on;
    const std::uint32_t self = link_to(block.start);
    return self == way.to ? there == GLASSHEAP_NIL : leads_back(there, self, way.back);
  }

  // The link of the node at `at` does not lead where it should, or its target does not link back.
  // The target was overwritten if it is in this list and its own back link leads to no node that
  // links to it; otherwise the node at `at` was.
  [[nodiscard]] Fault astray(Offset at, const Way& way) const noexcept {
    const std::uint32_t self = link_to(at);
    const std::uint32_t there = bytes_.node(at).*way.on;
    if (self == way.to) return broken(way.on_rule, at, GLASSHEAP_NIL, there);
    if (there != self && there != way.from && is_listed(there) &&
        same_list_(map_.block_at(at), map_.block_at(linked(there)))) {
      const std::uint32_t claimant = bytes_.node(linked(there)).*way.back;
      if (!leads_back(claimant, there, way.on))
        return broken(way.back_rule, linked(there), self, claimant);
    }
    return broken(way.on_rule, at, link_to(linker(self, way.back)), there);
  }
  // The start of the free block whose `link` leads to `self`; nowhere if there is none.
  [[nodiscard]] Offset linker(std::uint32_t self, std::uint32_t node_t::* link) const noexcept {
    Offset at = map_.free_from(0);
    while (at != nowhere && (link_to(at) == self || bytes_.node(at).*link != self))
      at = map_.free_from(at + granule_size);
    return at;
  }
  [[nodiscard]] static Fault broken(Rule rule, Offset at, std::uint64_t expected,
                                    std::uint64_t found) noexcept {
    return {.kind = FaultKind::free_list_corrupted,
            .rule = rule,
            .offset = at,
            .expected = expected,
            .found = found};
  }

  BlockBytes& bytes_;
  const BlockMap& map_;
  SameList same_list_;
};

}  // namespace glassheap
