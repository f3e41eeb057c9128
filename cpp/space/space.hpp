// space.hpp: the free space of a region: splitting blocks off it, and giving them back.
//
// Three structures record which blocks are free: the block map, the nodes in the region, and the
// policy's own. A change must be made in all of them; here it is made, in steps of three kinds:
//
//     plan   computes what a call would change; reads only
//     vet    checks that every node is sound that the plan reads or writes; reads only
//     apply  makes the change, and cannot fail
//
// Each step of apply updates the block map first. Then it tells the policy, which may query the
// map, and still finds the nodes of blocks that were merged. Last it erases the fronts of those.
//
// This file has what all heaps share. Free blocks coalesce in one of three ways, a file each:
// neighbours.hpp, buddies.hpp, list_pass.hpp.
#pragma once

#include "policy/policy.hpp"

namespace glassheap {

// A split of the free block `from`: `taken` is allocated and `rest` stays free; so does `gap`, if
// the payload's alignment needs one.
//
//     | from ................... |
//     | gap | taken | rest ..... |
struct Split {
  Block from, gap, taken, rest;

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(from); }
};

// `from` must be able to serve the request.
[[nodiscard]] inline Split plan_split(const BlockBytes& bytes, Block from,
                                      const Request& request) noexcept {
  const bool flush = request.align == granule_size;
  const Block taken{flush ? from.start : bytes.place(from, request).value_or(from.start),
                    request.extent};
  return {
      from, {from.start, taken.start - from.start}, taken, {taken.end(), from.end() - taken.end()}};
}

template <Policy P>
class Space {
 public:
  template <typename... Settings>
  Space(BlockBytes& bytes, BlockMap& map, const Settings&... settings)
      : bytes_(bytes), map_(map), policy_(bytes, map, settings...) {}

  [[nodiscard]] const P& policy() const noexcept { return policy_; }

  // Makes the whole region one free block. The map is empty.
  void seed() noexcept {
    const Block whole{0, bytes_.size()};
    policy_.clear();
    map_.add_free(whole);
    policy_.insert(whole);
  }

  // Tells the policy of all free blocks. The map is complete.
  void rebuild_index() noexcept {
    policy_.clear();
    for (Offset at = map_.free_from(0); at != nowhere; at = map_.free_from(at + granule_size))
      policy_.insert(map_.block_at(at));
  }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    policy_.visit_state(visit);
  }

  [[nodiscard]] bool confine_state() noexcept { return policy_.confine_state(); }

  [[nodiscard]] bool vet(const Split& split, Fault& fault) const noexcept {
    if (split.gap) return vet_gap(split, fault);
    return split.rest ? policy_.vet_replace(split.from, split.rest, fault)
                      : policy_.vet(split.from, fault);
  }
  void apply(const Split& split) noexcept {
    if (split.gap) {
      apply_gap(split);
      return;
    }
    map_.make_live(split.taken);
    if (split.rest) map_.add_free(split.rest);
    replace_or_erase(split.from, split.rest);
  }
  void on_allocate(Block block) noexcept { policy_.on_allocate(block); }

  // True if a block may become free when no free block touches it.
  [[nodiscard]] bool vet_alone(Block block, Fault& fault) const noexcept {
    return policy_.vet_insert(block, fault);
  }

  // True if blocks, each of which may be released, may be released together: together they may
  // coalesce into a block of another size than any of them would alone.
  [[nodiscard]] bool vet_batch(Fault& fault) const noexcept {
    return policy_.vet_any_insert(fault);
  }

  // True if a block that may be released by itself may be released after the split. If the split
  // takes part of a free block beside it, it may coalesce into a block of another size; if the
  // split takes a whole free block, it may get other neighbours in the list.
  [[nodiscard]] bool vet_after(const Split& split, Block block, Fault& fault) const noexcept {
    const bool touches = split.from.end() == block.start || block.end() == split.from.start;
    return policy_.vet_list_neighbours(split.from, fault) &&
           (!touches || policy_.vet_any_insert(fault));
  }

  // A live block grows by `more` bytes of `right`, the free block after it.
  [[nodiscard]] bool vet_growth(Block right, Size more, Fault& fault) const noexcept {
    const Block rest = without_front(right, more);
    if (!has_room(right, more, fault)) return false;
    return rest ? policy_.vet_replace(right, rest, fault) : policy_.vet(right, fault);
  }
  void grow(Block right, Size more) noexcept {
    const Block rest = without_front(right, more);
    map_.drop_free(right);
    if (rest) map_.add_free(rest);
    replace_or_erase(right, rest);
    bytes_.scrub(right.start);
  }
  // True if a block of `extent` bytes may start at `start`.
  [[nodiscard]] static constexpr bool may_stand(Offset /*start*/, Size /*extent*/) noexcept {
    return true;
  }

  // Calls visit(piece) for each free block that the rest of a split becomes.
  template <typename Visit>
  static void visit_pieces(Block span, Visit visit) {
    if (span) visit(span);
  }

  // Undoes a split. The front of `from` has its old bytes again; `mark` is from before the split.
  [[nodiscard]] typename P::Mark mark() const noexcept { return policy_.mark(); }
  void undo(const Split& split, const typename P::Mark& mark) noexcept {
    if (split.rest) {
      map_.drop_free(split.rest);
      policy_.erase(split.rest);
    }
    map_.make_free(split.from);
    policy_.restore(split.from, mark);
  }

 protected:
  // The block, and all free blocks around it, up to the nearest live ones.
  [[nodiscard]] Block with_free_around(Block block) const noexcept {
    for (Block left = map_.free_ending_at(block.start); left;
         left = map_.free_ending_at(left.start))
      block = {left.start, left.extent + block.extent};
    for (Block right = map_.free_starting_at(block.end()); right;
         right = map_.free_starting_at(right.end()))
      block.extent += right.extent;
    return block;
  }

  // Returns true if the block has `more` bytes. It was read from the map twice, and the map of a
  // shared heap may have been overwritten in between.
  [[nodiscard]] static bool has_room(Block right, Size more, Fault& fault) noexcept {
    if (right.extent >= more) return true;
    fault = {.kind = FaultKind::header_corrupted, .rule = Rule::coverage};
    return false;
  }
  [[nodiscard]] static Block without_front(Block block, Size low_end) noexcept {
    return {block.start + low_end, block.extent - low_end};
  }

  void replace_or_erase(Block from, Block rest) noexcept {
    if (rest) {
      policy_.replace(from, rest);
    } else {
      policy_.erase(from);
    }
  }

  // Erases the front of a block that was merged into a free one.
  void retire(Block block) noexcept {
    bytes_.scrub(block.start);
    if (block.extent == bytes_.layout.front) map_.set_tombstone(block.start);
  }

  BlockBytes& bytes_;
  BlockMap& map_;
  P policy_;

 private:
  // By value and out of line: a split with a gap is rare, and all others stay in registers.
  [[nodiscard, gnu::noinline]] bool vet_gap(Split split, Fault& fault) const noexcept {
    return policy_.vet_replace(split.from, split.gap, fault) &&
           (!split.rest || policy_.vet_insert(split.rest, fault));
  }
  [[gnu::noinline]] void apply_gap(Split split) noexcept {
    map_.make_live(split.from);
    map_.make_free(split.gap);
    map_.add_live(split.taken);
    policy_.replace(split.from, split.gap);
    if (!split.rest) return;
    map_.add_free(split.rest);
    policy_.insert_after(split.gap, split.rest);
  }
};

}  // namespace glassheap
