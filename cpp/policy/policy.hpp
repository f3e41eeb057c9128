// policy.hpp: what a placement policy is.
//
// A policy decides which free block serves a request, and keeps whatever structure it needs to
// decide fast. It does not cut, merge or judge: HeapCore does, and tells the policy what became of
// the free blocks. When it is told, the block map is up to date already, so a policy may ask the
// map.
//
// Every policy has
//
//     description            its name, and what to say of it
//     clear()                forget every free block
//     find_free(request)     the free block that the policy gives to the request; none if no free
//                            block can serve it
//     insert(block)          `block` has become free
//     erase(block)           `block`, vetted, is free no more
//     largest()              the extent of the largest free block, 0 if there is none
//
// and takes from PolicyBase, or says better itself,
//
//     joining                how free blocks become one
//     vet(block)             whether this free block may be erased: its node, and all that links to
//                            it, is sound
//     vet_insert(block)      whether `block` may be inserted: all that will link to it is sound
//     vet_any_insert()       the same, for a block of any size in place of one that may be inserted
//     vet_beside(block)      whether another may be inserted once `block`, vetted, has been erased:
//                            what then stands where it stood is sound
//     vet_replace(old, now)  vet(old) and vet_insert(now) at once
//     replace(old, now)      the free block `old` was cut or has grown, and is `now`
//     insert_behind(b, now)  `now` has become free, right behind `b` in the list
//     took(block)            an allocation took `block`
//     mark(), restore(...)   what undoes an allocation: see below
//     list(visit)            visit(block) for the free blocks in list order, as far as it is sound
//     inspect(findings)      every rule that the structure breaks
//     own_memory()           bytes that it keeps outside the region, arrays from map.arena()
//     visit_state(visit)     visit(number) for each number that it keeps beside those arrays
//
// find_free and the vets only read. A policy is one header in this folder, and a line in
// policies.cpp; docs/policies.md writes one.
#pragma once

#include <concepts>

#include "check/checker.hpp"
#include "glassheap/options.hpp"

namespace glassheap {

// How free blocks become one.
enum class Coalescing : std::uint8_t {
  neighbours,  // a freed block with the free blocks that touch it, at once
  buddies,     // two halves of a block that was cut in two, and so on upwards
  list_pass,   // in a pass through the list, which is the policy's own affair
};

// What most policies do alike. The node of a free block says what it offers, and links to nothing.
template <typename Self>
class PolicyBase {
 public:
  static constexpr Coalescing coalescing = Coalescing::neighbours;
  struct Mark {};  // what a policy remembers beside its free blocks

  PolicyBase(BlockBytes& bytes, const BlockMap& map) noexcept : bytes_(bytes), map_(map) {}

  void replace(Block old, Block now) noexcept {
    self().erase(old);
    self().insert(now);
  }
  void insert_behind(Block /*before*/, Block block) noexcept { self().insert(block); }
  void on_allocate(Block /*block*/) noexcept {}

  // To take an allocation back: restore(from, mark) puts the free block `from`, whose node has the
  // bytes that it had, where it was; mark() was asked before the allocation. What the allocation
  // had left over of the block has been erased, and later allocations have been taken back before.
  [[nodiscard]] Mark mark() const noexcept { return {}; }
  void restore(Block from, const Mark& /*before*/) noexcept { self().insert(from); }

  [[nodiscard]] bool vet(Block block, Fault& fault) const noexcept {
    return is_sound(block) || explain(block, fault);
  }
  [[nodiscard]] bool vet_insert(Block /*block*/, Fault& /*fault*/) const noexcept { return true; }
  [[nodiscard]] bool vet_any_insert(Fault& /*fault*/) const noexcept { return true; }
  [[nodiscard]] bool vet_beside(Block /*block*/, Fault& /*fault*/) const noexcept { return true; }
  [[nodiscard]] bool vet_replace(Block old, Block now, Fault& fault) const noexcept {
    return self().vet(old, fault) && self().vet_insert(now, fault);
  }

  template <typename Visit>
  void list(Visit visit) const {
    for (Offset at = map_.free_from(0); at != nowhere; at = map_.free_from(at + granule_size))
      visit(map_.block_at(at));
  }
  void inspect(Findings& findings) const {
    list([&](Block block) {
      Fault fault;
      if (!self().vet(block, fault)) findings.push_back(fault);
    });
  }
  [[nodiscard]] Size own_memory() const noexcept { return 0; }
  template <typename Visit>
  void visit_state(Visit /*visit*/) noexcept {}

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
  // Whether this free block, if it is one, can serve the request: whether it is large enough, and
  // still is behind the gap that the alignment asks for.
  [[nodiscard]] bool serves(Block free, const Request& request) const noexcept {
    return free.extent >= request.extent &&
           (request.align == granule_size || bytes_.place(free, request).has_value());
  }

  BlockBytes& bytes_;
  const BlockMap& map_;
};

template <typename P>
concept Policy =
    requires(P policy, const P& seen, Block block, const Request& request, Fault& fault,
             Findings& findings, void (*visit)(Block), const typename P::Mark& mark) {
      { P::description } -> std::convertible_to<const PolicyDescription&>;
      { P::coalescing } -> std::convertible_to<Coalescing>;
      { policy.clear() } noexcept;
      { seen.find_free(request, fault) } noexcept -> std::same_as<Block>;
      { policy.insert(block) } noexcept;
      { policy.erase(block) } noexcept;
      { seen.largest() } noexcept -> std::same_as<Size>;
      { seen.vet(block, fault) } noexcept -> std::same_as<bool>;
      { seen.vet_insert(block, fault) } noexcept -> std::same_as<bool>;
      { seen.vet_any_insert(fault) } noexcept -> std::same_as<bool>;
      { seen.vet_beside(block, fault) } noexcept -> std::same_as<bool>;
      { seen.vet_replace(block, block, fault) } noexcept -> std::same_as<bool>;
      { policy.replace(block, block) } noexcept;
      { policy.insert_behind(block, block) } noexcept;
      { policy.on_allocate(block) } noexcept;
      { seen.mark() } noexcept -> std::same_as<typename P::Mark>;
      { policy.restore(block, mark) } noexcept;
      { seen.own_memory() } noexcept -> std::same_as<Size>;
      seen.list(visit);
      seen.inspect(findings);
    };

}  // namespace glassheap
