// policy.hpp: the interface of a placement policy.
//
// A policy decides which free block serves a request, and keeps any structure that it needs to
// decide fast. It does not split, merge or check pointers: HeapCore does, and tells the policy
// about each change of a free block. By then the block map is up to date, so a policy may query it.
//
// Every policy has
//
//     description            its name, and a description for users
//     clear()                forgets every free block
//     find_free(request)     the free block that serves the request; no block if no free block can
//     insert(block)          `block` has become free
//     erase(block)           `block`, vetted, is no longer free
//     largest()              the extent of the largest free block, 0 if there is none
//
// and inherits from PolicyBase, or overrides,
//
//     coalescing             how free blocks coalesce
//     vet(block)             true if this free block may be erased: its node, and every node that
//                            links to it, is sound
//     vet_insert(block)      true if `block` may be inserted: every node that will link to it is
//                            sound
//     vet_any_insert()       the same, for a block of any size in place of one that may be inserted
//     vet_inserts(low, high) the same, for a block of each power of two from `low` up to, and
//                            without, `high`: only policies that coalesce buddies have it
//     vet_list_neighbours(b) true if another block may be inserted once `b`, vetted, has been
//                            erased: the nodes beside it in the list are sound
//     vet_replace(old, now)  vet(old) and vet_insert(now) at once
//     replace(old, now)      the free block `old` was split or has grown, and is `now`
//     insert_after(b, now)   `now` has become free, and comes after `b` in the list
//     on_allocate(block)     `block` has been allocated
//     mark(), restore(...)   undo an allocation: see below
//     list(visit)            visit(block) for the free blocks in list order, as far as it is sound
//     inspect(faults)        adds every rule that the structure breaks
//     own_memory()           the bytes that it keeps outside the region, in arrays from map.arena()
//     visit_state(visit)     visit(number) for each number that it keeps beside those arrays
//     confine_state()        true if these numbers, which another process has written, are possible;
//                            wrong ones become harmless
//
// The arrays of a shared heap, and its nodes, lie in memory that other programs can overwrite, even
// during a call. So each number that is read there and is used as an index is compared with its
// bound first, and each loop ends whatever is read.
//
// find_free and the vet functions only read. To add a policy, write one header in this folder, and
// add its type to core/policy_list.cpp; docs/policies.md has an example.
#pragma once

#include <concepts>

#include "check/checker.hpp"
#include "glassheap/options.hpp"

namespace glassheap {

// How free blocks coalesce.
enum class Coalescing : std::uint8_t {
  neighbours,  // a freed block with the free blocks that touch it, at once
  buddies,     // the two halves of a split block, and so on upwards
  list_pass,   // in a pass in list order, if the policy asks for one
};

// The common part of most policies. A node here has the size on offer, and null links.
template <typename Self>
class PolicyBase {
 public:
  static constexpr Coalescing coalescing = Coalescing::neighbours;
  struct Mark {};  // the state of a policy beside its free blocks

  PolicyBase(BlockBytes& bytes, const BlockMap& map) noexcept : bytes_(bytes), map_(map) {}

  void replace(Block old, Block now) noexcept {
    self().erase(old);
    self().insert(now);
  }
  void insert_after(Block /*before*/, Block block) noexcept { self().insert(block); }
  void on_allocate(Block /*block*/) noexcept {}

  // Undo. mark() is called before an allocation; restore(from, mark) puts the free block `from`
  // back to where it was, when its node has its old bytes again. By then the rest of the split has
  // been erased, and every later allocation has been undone.
  [[nodiscard]] Mark mark() const noexcept { return {}; }
  void restore(Block from, const Mark& /*before*/) noexcept { self().insert(from); }

  [[nodiscard]] bool vet(Block block, Fault& fault) const noexcept {
    return is_sound(block) || explain(block, fault);
  }
  [[nodiscard]] bool vet_insert(Block /*block*/, Fault& /*fault*/) const noexcept { return true; }
  [[nodiscard]] bool vet_any_insert(Fault& /*fault*/) const noexcept { return true; }
  [[nodiscard]] bool vet_list_neighbours(Block /*block*/, Fault& /*fault*/) const noexcept {
    return true;
  }
  [[nodiscard]] bool vet_replace(Block old, Block now, Fault& fault) const noexcept {
    return self().vet(old, fault) && self().vet_insert(now, fault);
  }

  template <typename Visit>
  void list(Visit visit) const {
    for (Offset at = map_.free_from(0); at != nowhere; at = map_.free_from(at + granule_size))
      visit(map_.block_at(at));
  }
  void inspect(Faults& faults) const {
    list([&](Block block) {
      Fault fault;
      if (!self().vet(block, fault)) faults.push_back(fault);
    });
  }
  [[nodiscard]] Size own_memory() const noexcept { return 0; }
  template <typename Visit>
  void visit_state(Visit /*visit*/) noexcept {}
  [[nodiscard]] bool confine_state() noexcept { return true; }

 protected:
  [[nodiscard]] Self& self() noexcept { return static_cast<Self&>(*this); }
  [[nodiscard]] const Self& self() const noexcept { return static_cast<const Self&>(*this); }

  void write_node(Block free) noexcept { bytes_.write_node(free, nowhere, nowhere); }
  [[nodiscard]] bool is_sound(Block free) const noexcept {
    const node_t node = bytes_.node(free.start);
    return node.size == bytes_.layout.on_offer(free.extent) && node.next == GLASSHEAP_NIL &&
           node.prev == GLASSHEAP_NIL;
  }
  [[gnu::cold, gnu::noinline]] bool explain(Block free, Fault& fault) const noexcept {
    return Checker(bytes_, map_).node(free.start, nowhere, nowhere, fault);
  }

  [[nodiscard]] bool is_top(Block block) const noexcept {
    return block.end() == map_.region_size();
  }
  // True if `free`, which may be no block, can serve the request: it is large enough, also behind
  // the gap that the alignment needs.
  [[nodiscard]] bool serves(Block free, const Request& request) const noexcept {
    return free.extent >= request.extent &&
           (request.align == granule_size || bytes_.place(free, request).has_value());
  }

  BlockBytes& bytes_;
  const BlockMap& map_;
};

template <typename P>
concept Policy =
    requires(P policy, const P& const_policy, Block block, const Request& request, Fault& fault,
             Faults& faults, void (*visit)(Block), const typename P::Mark& mark) {
      { P::description } -> std::convertible_to<const PolicyDescription&>;
      { P::coalescing } -> std::convertible_to<Coalescing>;
      { policy.clear() } noexcept;
      { const_policy.find_free(request, fault) } noexcept -> std::same_as<Block>;
      { policy.insert(block) } noexcept;
      { policy.erase(block) } noexcept;
      { const_policy.largest() } noexcept -> std::same_as<Size>;
      { const_policy.vet(block, fault) } noexcept -> std::same_as<bool>;
      { const_policy.vet_insert(block, fault) } noexcept -> std::same_as<bool>;
      { const_policy.vet_any_insert(fault) } noexcept -> std::same_as<bool>;
      { const_policy.vet_list_neighbours(block, fault) } noexcept -> std::same_as<bool>;
      { const_policy.vet_replace(block, block, fault) } noexcept -> std::same_as<bool>;
      { policy.replace(block, block) } noexcept;
      { policy.insert_after(block, block) } noexcept;
      { policy.on_allocate(block) } noexcept;
      { const_policy.mark() } noexcept -> std::same_as<typename P::Mark>;
      { policy.restore(block, mark) } noexcept;
      { const_policy.own_memory() } noexcept -> std::same_as<Size>;
      const_policy.list(visit);
      const_policy.inspect(faults);
    };

}  // namespace glassheap
