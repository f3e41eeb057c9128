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
//     erase(block, place)    `block`, vetted, is no longer free
//     replace(old, place, now)
//                            the free block `old`, vetted, was split or has grown, and is `now`
//     largest()              the extent of the largest free block, 0 if there is none
//
// and inherits from PolicyBase, or overrides,
//
//     find_near(request, place)  the same as find_free(), or no block where that takes a search;
//                            may set the place
//     largest_near           the largest extent for which find_near() finds a block
//     vet_at(block, place)   the same as vet(), for a block and a place from find_near()
//     coalescing             how free blocks coalesce
//     Place                  where a free block is in the policy's own structure
//     vet(block, place)      true if the node of this free block is sound; sets its place
//     explain(block, fault)  why it is not
//     place_of(block)        the place of a block that was vetted before
//     insert_after(b, now)   `now` has become free, and comes after `b` in the list
//     halve(from, place, low)       the same for a buddy that was halved down to `low` bytes: its
//                            upper halves have become free
//     has_extent(place)      true if the place of a vetted block has its extent, outside the region
//     on_allocate(block)     `block` has been allocated
//     mark(from), restore()  undo an allocation: see below
//     linking_to(block)      the start of the block whose node links to this one; or nowhere
//     list(visit)            visit(block) for the free blocks in list order, as far as it is sound
//     inspect(faults)        adds every rule that the structure breaks
//     own_memory()           the bytes that it keeps outside the region, in arrays from map.arena()
//     visit_state(visit)     visit(number) for each number that it keeps beside those arrays
//     confine_state()        true if these numbers, which another process has written, are possible;
//                            wrong ones become harmless
//
// The top, the free block that ends the region, is split and grows more often than any other. A
// policy that keeps it apart has functions of its own for it; PolicyBase treats it as any other:
//
//     vet_top(top, place), insert_top(top), erase_top(top, place), replace_top(old, place, now),
//     split_top(old, place, gap, rest)
//
// No node is read that does not belong to a block which is taken or merged: links lie outside the
// region (block/records.hpp), or are the order of the block map. So a block may always be inserted.
//
// The arrays of a shared heap, and its nodes, lie in memory that other programs can overwrite, even
// during a call. So each number that is read there and is used as an index is compared with its
// bound first, and each loop ends whatever is read.
//
// find_free, vet and place_of only read. To add a policy, write one header in this folder, and
// add its type to core/policy_list.cpp; docs/policies.md has an example.
#pragma once

#include <concepts>

#include "check/checker.hpp"
#include "glassheap/options.hpp"

namespace glassheap {

// How free blocks coalesce.
enum class Coalescing : std::uint8_t {
  neighbours,  // a freed block with the free blocks that touch it, at once
  deferred,    // the same if it is large; a small one later, in a pass over all free blocks
  buddies,     // the two halves of a split block, and so on upwards
  list_pass,   // in a pass in list order, if the policy asks for one
};

// The common part of most policies. A node here has the size on offer, and neither link nor record.
template <typename Self>
class PolicyBase {
 public:
  static constexpr Coalescing coalescing = Coalescing::neighbours;
  static constexpr Size largest_near = largest_region;
  struct Mark {};   // the state of a policy beside its free blocks
  struct Place {};  // a block's start is its place

  PolicyBase(BlockBytes& bytes, const BlockMap& map) noexcept : bytes_(bytes), map_(map) {}

  [[nodiscard]] Block find_near(const Request& request, auto& /*place*/) const noexcept {
    return self().find_free(request);
  }
  [[nodiscard]] bool vet_at(Block block, auto& place) const noexcept {
    return self().vet(block, place);
  }
  void insert_after(Block /*before*/, Block block) noexcept { self().insert(block); }
  void halve(Block from, const auto& place, Size low) noexcept {
    self().erase(from, place);
    for (Size extent = low; extent < from.extent; extent *= 2)
      self().insert({from.start + extent, extent});
  }
  [[nodiscard]] static bool has_extent(const auto& /*place*/) noexcept { return false; }
  void on_allocate(Block /*block*/) noexcept {}

  // Undo. mark(from) is called before an allocation from that free block; restore(from, mark) puts
  // it back to where it was, when its node has its old bytes again. By then the rest of the split
  // has been erased, and every later allocation has been undone.
  [[nodiscard]] Mark mark(Block /*from*/) const noexcept { return {}; }
  void restore(Block from, const Mark& /*before*/) noexcept { self().insert(from); }
  [[nodiscard]] static Offset linking_to(Block /*block*/) noexcept { return nowhere; }

  [[nodiscard]] bool vet(Block block, auto& /*place*/) const noexcept {
    return is_node(block, GLASSHEAP_NIL);
  }
  void explain(Block block, Fault& fault) const noexcept { explain_node(block, nowhere, fault); }
  [[nodiscard]] static Place place_of(Block /*block*/) noexcept { return {}; }

  [[nodiscard]] bool vet_top(Block top, auto& place) const noexcept {
    return self().vet(top, place);
  }
  void insert_top(Block top) noexcept { self().insert(top); }
  void erase_top(Block top, const auto& place) noexcept { self().erase(top, place); }
  void replace_top(Block old, const auto& place, Block now) noexcept {
    self().replace(old, place, now);
  }
  // An allocation from the middle of the top leaves a gap in front of it, and mostly a rest.
  void split_top(Block old, const auto& place, Block gap, Block rest) noexcept {
    self().replace(old, place, gap);
    if (rest) self().insert_after(gap, rest);
  }

  template <typename Visit>
  void list(Visit visit) const {
    list_by_map(visit);
  }
  void inspect(Faults& faults) const {
    list_by_map([&](Block block) {
      typename Self::Place place;
      if (!bytes_.offers(block) ||
          !(is_top(block) ? self().vet_top(block, place) : self().vet(block, place)))
        self().explain(block, faults.emplace_back());
    });
  }
  [[nodiscard]] Size own_memory() const noexcept { return 0; }
  template <typename Visit>
  void visit_state(Visit /*visit*/) noexcept {}
  [[nodiscard]] bool confine_state() noexcept { return true; }

 protected:
  [[nodiscard]] Self& self() noexcept { return static_cast<Self&>(*this); }
  [[nodiscard]] const Self& self() const noexcept { return static_cast<const Self&>(*this); }

  // Calls visit(block) for each free block, in address order.
  template <typename Visit>
  void list_by_map(Visit visit) const {
    for (Offset at = map_.free_from(0); at != nowhere; at = map_.free_from(at + granule_size))
      visit(map_.block_at(at));
  }

  // The links of a block that is in no list, such as a top that is kept apart.
  void write_lone_node(Block free) noexcept {
    bytes_.write_links(free.start, GLASSHEAP_NIL, GLASSHEAP_NIL);
  }
  [[nodiscard]] bool is_node(Block free, std::uint32_t next) const noexcept {
    return bytes_.links_to(free.start, next, GLASSHEAP_NIL);
  }
  [[gnu::cold, gnu::noinline]] void explain_node(Block free, Offset next,
                                                 Fault& fault) const noexcept {
    Checker(bytes_, map_).explain_node(free, next, fault);
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
concept Policy = requires(P policy, const P& const_policy, Block block, const Request& request,
                          Fault& fault, Faults& faults, void (*visit)(Block),
                          typename P::Place& place, const typename P::Mark& mark) {
  { P::description } -> std::convertible_to<const PolicyDescription&>;
  { P::coalescing } -> std::convertible_to<Coalescing>;
  { P::largest_near } -> std::convertible_to<Size>;
  { policy.clear() } noexcept;
  { const_policy.find_free(request) } noexcept -> std::same_as<Block>;
  { const_policy.find_near(request, place) } noexcept -> std::same_as<Block>;
  { policy.insert(block) } noexcept;
  { policy.erase(block, place) } noexcept;
  { policy.replace(block, place, block) } noexcept;
  { policy.insert_after(block, block) } noexcept;
  { const_policy.largest() } noexcept -> std::same_as<Size>;
  { const_policy.vet(block, place) } noexcept -> std::same_as<bool>;
  { const_policy.vet_at(block, place) } noexcept -> std::same_as<bool>;
  { const_policy.explain(block, fault) } noexcept;
  { const_policy.place_of(block) } noexcept -> std::same_as<typename P::Place>;
  { const_policy.vet_top(block, place) } noexcept -> std::same_as<bool>;
  { policy.insert_top(block) } noexcept;
  { policy.erase_top(block, place) } noexcept;
  { policy.replace_top(block, place, block) } noexcept;
  { policy.split_top(block, place, block, block) } noexcept;
  { policy.on_allocate(block) } noexcept;
  { const_policy.mark(block) } noexcept -> std::same_as<typename P::Mark>;
  { policy.restore(block, mark) } noexcept;
  { const_policy.linking_to(block) } noexcept -> std::same_as<Offset>;
  { const_policy.own_memory() } noexcept -> std::same_as<Size>;
  const_policy.list(visit);
  const_policy.inspect(faults);
};

}  // namespace glassheap
