// large_tree.hpp: the large free blocks in order of size, and of address among equals.
//
// A free block of 64 granules (1 KiB) or more extends beyond the chunk that it starts in; so no
// other such block starts there, and the chunk's number can identify it. The tree is a treap over
// these numbers: a search tree by size and address, and a heap by a rank that is a scrambled chunk
// number. So it is as deep as a randomly grown tree, whatever the order of insertion (Aragon and
// Seidel 1989).
//
// Its links lie outside the region, but those of a shared heap are in memory that other programs can
// overwrite. So a link is followed only to a chunk of the region, and down in rank: then every path
// ends. In a tree that was overwritten, a search may find no block, or another one.
//
//     | left : u32 | right : u32 |     one pair a chunk; the sizes are in the block map
//
// Invariant. Left is smaller, right is larger, a parent outranks its children. Every block of the
// tree, except the argument of the current call, is in the map as it was when it was added.
// Cost. O(log n) a call, expected; 8 bytes a chunk: 0.78 % of the region.
#pragma once

#include <utility>

#include "block/block_map.hpp"

namespace glassheap {

class LargeTree {
 public:
  // Empty. Throws std::bad_alloc if and only if there is no memory for it.
  explicit LargeTree(const BlockMap& map)
      : map_(map), count_(map.chunks()), nodes_(map.arena().take<Node>(count_)) {}

  void clear() noexcept { root_ = nil; }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    visit(root_);
  }
  [[nodiscard]] bool confine_state() noexcept {
    if (root_ < count_ || root_ == nil) return true;
    root_ = nil;
    return false;
  }
  [[nodiscard]] Size own_memory() const noexcept { return count_ * sizeof(Node); }

  // Adds a large free block, not the top. It takes the place of the first node on its path that it
  // outranks, and that subtree is split around it.
  [[gnu::noinline]] void add(Block block) noexcept {
    const Link self = link_of(block);
    Link* at = &root_;
    Link subtree = root_;
    while (subtree != nil && rank(subtree) > rank(self)) {
      at = child_towards(subtree, block);
      subtree = below(subtree, *at);
    }
    *at = self;
    Link* smaller = &nodes_[self].left;
    Link* larger = &nodes_[self].right;
    while (subtree != nil) {
      const bool is_smaller = precedes(block_of(subtree), block);
      Link*& side = is_smaller ? smaller : larger;
      *side = subtree;
      side = is_smaller ? &nodes_[subtree].right : &nodes_[subtree].left;
      subtree = below(subtree, *side);
    }
    *smaller = *larger = nil;
  }

  // Removes a block: its two subtrees are merged in its place.
  [[gnu::noinline]] void remove(Block block) noexcept {
    const Link self = link_of(block);
    Link* at = &root_;
    for (Link here = root_; here != self; here = below(here, *at)) {
      if (here == nil) return;
      at = child_towards(here, block);
    }
    Link smaller = below(self, nodes_[self].left);
    Link larger = below(self, nodes_[self].right);
    while (smaller != nil && larger != nil) {
      const bool smaller_is_upper = rank(smaller) > rank(larger);
      Link& upper = smaller_is_upper ? smaller : larger;
      *at = upper;
      at = smaller_is_upper ? &nodes_[upper].right : &nodes_[upper].left;
      upper = below(upper, *at);
    }
    *at = smaller != nil ? smaller : larger;
  }

  // The first block, in order of size and then of address, that has more bytes than `key`, or as
  // many and starts at or after it; no block if there is none.
  [[nodiscard, gnu::noinline]] Block first(Block key) const noexcept {
    Block found;
    for (Link at = root_; at != nil;) {
      const Block block = block_of(at);
      if (precedes(block, key)) {
        at = below(at, nodes_[at].right);
      } else {
        found = block;
        at = below(at, nodes_[at].left);
      }
    }
    return found;
  }
  [[nodiscard]] Size largest() const noexcept {
    Size found = 0;
    for (Link at = root_; at != nil; at = below(at, nodes_[at].right)) found = block_of(at).extent;
    return found;
  }

 private:
  using Link = std::uint32_t;  // a chunk's number
  static constexpr Link nil = ~Link{0};
  struct Node {
    Link left, right;
  };

  [[nodiscard]] static bool precedes(Block a, Block b) noexcept {
    return a.extent != b.extent ? a.extent < b.extent : a.start < b.start;
  }
  [[nodiscard]] static Link link_of(Block block) noexcept {
    return static_cast<Link>(BlockMap::chunk_of(block.start));
  }
  // A permutation of the 32-bit numbers: no two ranks are equal.
  [[nodiscard]] static std::uint32_t rank(Link link) noexcept {
    link *= 0x9E3779B1U;  // 2^32 / golden ratio, made odd
    link ^= link >> 15;
    return link * 0x85EBCA77U;
  }
  // The child of `at` that `child` links to; nil if no child can have that link.
  [[nodiscard]] Link below(Link at, Link child) const noexcept {
    return child < count_ && rank(child) < rank(at) ? child : nil;
  }
  // The large block of a chunk is the last that starts in it: it extends beyond the chunk.
  [[nodiscard]] Block block_of(Link link) const noexcept { return map_.last_free_in(link); }
  [[nodiscard]] Link* child_towards(Link at, Block towards) noexcept {
    return precedes(block_of(at), towards) ? &nodes_[at].right : &nodes_[at].left;
  }

  const BlockMap& map_;
  std::size_t count_;  // of chunks
  ZeroedArray<Node> nodes_;
  Link root_ = nil;
};

}  // namespace glassheap
