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
// The ends of a shared heap's list, and its nodes, may change between the check and the use, if
// another program writes there. So a link that leads out of the region counts as nil wherever it is
// followed, and a walk has at most as many steps as the map has blocks.
//
// Cost: O(1) a call.
#pragma once

#include "block/block.hpp"
#include "block/block_map.hpp"
#include "glassheap/fault.hpp"

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

// Tells if the top, the free block that ends the region, is in a list or kept apart from all lists.
enum class Top : bool { listed, excluded };

// True if two free blocks are in the same list, for a policy with several lists.
using SameList = bool (*)(Block, Block) noexcept;

template <Top top>
class Links {
 public:
  Links(
      BlockBytes& bytes, const BlockMap& map,
      SameList same_list = [](Block, Block) noexcept { return true; }) noexcept
      : bytes_(bytes), map_(map), same_list_(same_list), limit_(map.region_size()) {}

  [[nodiscard]] Offset next(Offset at) const noexcept { return linked(bytes_.node(at).next); }
  [[nodiscard]] Offset prev(Offset at) const noexcept { return linked(bytes_.node(at).prev); }
  // The block at `at`, the end of a list or a link; no block if it leads nowhere.
  [[nodiscard]] Block block_at(Offset at) const noexcept {
    return at < limit_ ? map_.block_at(at) : Block{};
  }

  // --- Queries. ---------------------------------------------------------------------------------

  // True if the node of `block`, a free block of this list, is sound.
  [[nodiscard]] bool is_sound(const ListEnds& ends, Block block) const noexcept {
    const node_t node = bytes_.node(block.start);
    const std::uint32_t self = link_to(block.start);
    return node.size == bytes_.layout.on_offer(block.extent) &&
           (ends.tail == self ? node.next == GLASSHEAP_NIL
                              : links_back(node.next, self, &node_t::prev)) &&
           (ends.head == self ? node.prev == GLASSHEAP_NIL
                              : links_back(node.prev, self, &node_t::next));
  }
  [[nodiscard]] bool vet(const ListEnds& ends, Block block, Fault& fault) const noexcept {
    return is_sound(ends, block) || explain(ends, block, fault);
  }
  // True if the nodes on either side of a sound one are sound: erasing it links them to each other.
  [[nodiscard]] bool vet_list_neighbours(const ListEnds& ends, Block block,
                                         Fault& fault) const noexcept {
    const node_t node = bytes_.node(block.start);
    return vet_linked(ends, node.prev, fault) && vet_linked(ends, node.next, fault);
  }
  // True if `link` is nil, or leads to a sound node: another block may be linked in beside it.
  [[nodiscard]] bool vet_linked(const ListEnds& ends, std::uint32_t link,
                                Fault& fault) const noexcept {
    const Offset at = linked(link);
    if (at < limit_) return vet(ends, map_.block_at(at), fault);
    if (link != GLASSHEAP_NIL) fault = broken(Rule::head, 0, GLASSHEAP_NIL, link);
    return link == GLASSHEAP_NIL;
  }

  // Calls visit(block) from the head on, up to the first unsound node. True if there is none.
  template <typename Visit>
  // Most callers need only the visits. NOLINTNEXTLINE(modernize-use-nodiscard)
  bool walk(const ListEnds& ends, Visit visit) const {
    Size left = map_.most_blocks();
    Offset at = ends.first();
    for (; at < limit_ && left != 0; at = next(at), --left) {
      const Block block = map_.block_at(at);
      if (!is_sound(ends, block)) return false;
      visit(block);
    }
    return at == nowhere;
  }

  // Returns true if the ends are nil, or free blocks. Makes them nil otherwise.
  [[nodiscard]] bool confine(ListEnds& ends) const noexcept {
    const bool possible =
        ends.empty() ? ends.tail == GLASSHEAP_NIL : is_listed(ends.head) && is_listed(ends.tail);
    if (!possible) ends = {};
    return possible;
  }

  // --- Updates. Every node that is read here has been vetted. -----------------------------------

  void insert(ListEnds& ends, Block block, Offset prev, Offset next) noexcept {
    bytes_.write_node(block, next, prev);
    connect_next(ends, prev, block.start);
    connect_prev(ends, block.start, next);
  }
  void push_front(ListEnds& ends, Block block) noexcept {
    const Offset next = ends.first();
    bytes_.write_node(block, next, nowhere);
    ends.head = link_to(block.start);
    connect_prev(ends, block.start, next);
  }
  void push_back(ListEnds& ends, Block block) noexcept {
    insert(ends, block, ends.last(), nowhere);
  }
  void erase(ListEnds& ends, Block block) noexcept {
    const node_t node = bytes_.node(block.start);
    connect_next(ends, linked(node.prev), linked(node.next));
    connect_prev(ends, linked(node.prev), linked(node.next));
  }
  void replace(ListEnds& ends, Block old, Block now) noexcept {
    const node_t node = bytes_.node(old.start);
    insert(ends, now, linked(node.prev), linked(node.next));
  }
  // Puts an erased block back between its neighbours, to which its node still links.
  void relink(ListEnds& ends, Block block) noexcept { replace(ends, block, block); }

 private:
  // A direction along a list: its link, the link back, and the first and last node.
  struct Direction {
    std::uint32_t node_t::* link;
    std::uint32_t node_t::* back_link;
    Rule rule, back_rule;
    std::uint32_t first, last;
  };

  [[nodiscard]] bool is_listed(std::uint32_t link) const noexcept {
    const Offset at = linked(link);
    return at < limit_ && map_.free_at(at) && (top == Top::listed || at != map_.top().start);
  }
  [[nodiscard]] bool links_back(std::uint32_t target, std::uint32_t source,
                                std::uint32_t node_t::* link) const noexcept {
    return target != source && is_listed(target) && bytes_.node(linked(target)).*link == source;
  }

  // Makes `prev` link to `next`; the list begins with `next` if `prev` is nowhere.
  void connect_next(ListEnds& ends, Offset prev, Offset next) noexcept {
    if (prev >= limit_) {
      ends.head = link_to(next);
    } else {
      bytes_.set_next(prev, next);
    }
  }
  // Makes `next` link back to `prev`; the list ends with `prev` if `next` is nowhere.
  void connect_prev(ListEnds& ends, Offset prev, Offset next) noexcept {
    if (next >= limit_) {
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
    else if (is_link_sound(block, forward(ends)))
      fault = broken_link(block.start, backward(ends));
    else
      fault = broken_link(block.start, forward(ends));
    return false;
  }
  [[nodiscard]] static Direction forward(const ListEnds& ends) noexcept {
    return {&node_t::next, &node_t::prev, Rule::next, Rule::prev, ends.head, ends.tail};
  }
  [[nodiscard]] static Direction backward(const ListEnds& ends) noexcept {
    return {&node_t::prev, &node_t::next, Rule::prev, Rule::next, ends.tail, ends.head};
  }
  [[nodiscard]] bool is_link_sound(Block block, const Direction& direction) const noexcept {
    const std::uint32_t target = bytes_.node(block.start).*direction.link;
    const std::uint32_t self = link_to(block.start);
    return self == direction.last ? target == GLASSHEAP_NIL
                                  : links_back(target, self, direction.back_link);
  }

  // The link of the node at `at` does not lead where it should, or its target does not link back.
  // The target was overwritten if it is in this list and its own back link leads to no node that
  // links to it; otherwise the node at `at` was.
  [[nodiscard]] Fault broken_link(Offset at, const Direction& direction) const noexcept {
    const std::uint32_t self = link_to(at);
    const std::uint32_t target = bytes_.node(at).*direction.link;
    if (self == direction.last) return broken(direction.rule, at, GLASSHEAP_NIL, target);
    if (target != self && target != direction.first && is_listed(target) &&
        same_list_(map_.block_at(at), map_.block_at(linked(target)))) {
      const std::uint32_t back_target = bytes_.node(linked(target)).*direction.back_link;
      if (!links_back(back_target, target, direction.link))
        return broken(direction.back_rule, linked(target), self, back_target);
    }
    return broken(direction.rule, at, link_to(linking_to(self, direction.back_link)), target);
  }
  // The start of the free block whose `link` leads to `self`; nowhere if there is none.
  [[nodiscard]] Offset linking_to(std::uint32_t self, std::uint32_t node_t::* link) const noexcept {
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
  Offset limit_;  // the region's size: a link from there on leads nowhere
};

}  // namespace glassheap
