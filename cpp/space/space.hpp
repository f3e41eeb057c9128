// space.hpp: the free space of a region: splitting blocks off it, and giving them back.
//
// Three structures record which blocks are free: the block map, the nodes in the region, and the
// policy's own. A change must be made in all of them; here it is made, in steps of three kinds:
//
//     plan   computes what a call would change; reads only
//     vet    checks that the node of each block that is taken or merged is sound; reads only
//     apply  makes the change, and cannot fail
//
// Each step of apply updates the block map first. Then it tells the policy, which may query the
// map, and still finds the nodes of blocks that were merged. Last it erases the fronts of those.
//
// This file has what all heaps share. Free blocks coalesce in one of three ways, a file each:
// neighbours.hpp, buddies.hpp, list_pass.hpp; and deferred.hpp, a kind of the first.
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
  Space(const BlockBytes& bytes, const ArrayArena& arena, const Settings&... settings)
      : bytes_(bytes), map_(bytes.size(), arena), policy_(bytes_, map_, settings...) {}
  Space(const Space&) = delete;
  Space& operator=(const Space&) = delete;
  ~Space() = default;

  // True if free blocks that touch may be joined later, in a pass (deferred.hpp).
  static constexpr bool defers = false;
  struct BeforePass {};
  [[nodiscard]] static BeforePass before_pass() noexcept { return {}; }

  [[nodiscard]] const P& policy() const noexcept { return policy_; }
  [[nodiscard]] BlockBytes& bytes() noexcept { return bytes_; }
  [[nodiscard]] const BlockBytes& bytes() const noexcept { return bytes_; }
  [[nodiscard]] BlockMap& map() noexcept { return map_; }
  [[nodiscard]] const BlockMap& map() const noexcept { return map_; }

  // Makes the whole region one free block. The map is empty.
  void seed() noexcept {
    const Block whole{0, bytes_.size()};
    policy_.clear();
    map_.add_free(whole);
    insert_any(whole);
  }

  // Tells the policy of all free blocks. The map is complete.
  void rebuild_index() noexcept {
    policy_.clear();
    for (Offset at = map_.free_from(0); at != nowhere; at = map_.free_from(at + granule_size))
      insert_any(map_.block_at(at));
  }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    policy_.visit_state(visit);
  }

  [[nodiscard]] bool confine_state() noexcept { return policy_.confine_state(); }

  // The place of the free block that a split or a growth changes.
  using Place = typename P::Place;

  // Returns true if the node of the free block is sound, and sets its place.
  template <Shape shape = Shape::any>
  [[nodiscard]] bool vet(Block free, Place& place) const noexcept {
    return is_top(free) ? vet_top<shape>(free, place) : vet_below_top<shape>(free, place);
  }
  // The same for a block and a place from P::find_near().
  template <Shape shape>
  [[nodiscard]] bool vet_at(Block free, Place& place) const noexcept {
    if (is_top(free)) return vet_top<shape>(free, place);
    return bytes_.template offers<shape>(free) && policy_.vet_at(free, place);
  }
  // Returns true if the map has this free block, and it serves the request. In shared memory another
  // program may have overwritten the structure of the policy, which may then offer any block.
  [[nodiscard]] bool is_valid_offer(Block from, const Request& request) const noexcept {
    return map_.free_starting_at(from.start) == from && bytes_.place(from, request).has_value();
  }
  // The same; otherwise sets `fault`.
  [[nodiscard]] bool vet_offer(Block from, const Request& request, Fault& fault) const noexcept {
    if (is_valid_offer(from, request)) return true;
    const Block mapped = map_.free_starting_at(from.start);
    fault = {.kind = FaultKind::free_list_corrupted,
             .rule = Rule::listed,
             .offset = from.start,
             .expected = mapped == from ? request.extent : mapped.extent,
             .found = from.extent};
    return false;
  }

  // Returns true if a free block, offered for the request, is sound; and sets its place. For a plain
  // shape, without a Fault.
  template <Shape shape>
  [[nodiscard]] bool vet_as(Block from, const Request& request, Place& place) const noexcept {
    return (shape != Shape::shared || is_valid_offer(from, request)) && vet<shape>(from, place);
  }

  // Returns true if the node of the free block is sound; otherwise sets `fault`.
  [[nodiscard]] bool check(Block free, Fault& fault) const noexcept {
    Place place;
    if (vet(free, place)) return true;
    policy_.explain(free, fault);
    return false;
  }

  // Returns true if blocks, each of which may be released, may be released together; otherwise sets
  // `fault`. They merge with each other, and with the free blocks that each of them touches.
  [[nodiscard]] static bool may_release_many(Fault& /*fault*/) noexcept { return true; }

  template <Shape shape = Shape::any>
  void apply(const Split& split, Place place) noexcept {
    if (split.gap) {
      apply_gap(split, place);
    } else if (is_top(split.from)) {
      map_.cut_top(split.rest);
      replace_or_erase_top<shape>(split.from, place, split.rest);
    } else {
      map_.make_live_below_top(split.taken);
      if (split.rest) map_.add_free_below_top(split.rest);
      replace_or_erase<shape>(split.from, place, split.rest);
    }
  }
  void on_allocate(Block block) noexcept { policy_.on_allocate(block); }

  // A live block grows by `more` bytes of `right`, the vetted free block after it.
  void grow(Block right, Place place, Size more) noexcept {
    const Block rest = without_front(right, more);
    const bool top = is_top(right);
    map_.drop_free(right);
    if (rest) map_.add_free(rest);
    if (top) {
      replace_or_erase_top(right, place, rest);
    } else {
      replace_or_erase(right, place, rest);
    }
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
  [[nodiscard]] typename P::Mark mark(Block from) const noexcept { return policy_.mark(from); }
  void undo(const Split& split, const typename P::Mark& mark) noexcept {
    if (split.rest) {
      const Place place = policy_.place_of(split.rest);
      map_.drop_free(split.rest);
      if (is_top(split.rest)) {
        policy_.erase_top(split.rest, place);
      } else {
        policy_.erase(split.rest, place);
      }
    }
    map_.make_free(split.from);
    policy_.restore(split.from, mark);
  }

 protected:
  [[nodiscard]] bool is_top(Block free) const noexcept { return free.end() == map_.region_size(); }
  // The node's size is checked here, its links by the policy.
  template <Shape shape = Shape::any>
  [[nodiscard]] bool vet_below_top(Block free, Place& place) const noexcept {
    if constexpr (checking) return bytes_.template offers<shape>(free) && policy_.vet(free, place);
    place = policy_.place_of(free);
    return true;
  }
  template <Shape shape = Shape::any>
  [[nodiscard]] bool vet_top(Block top, Place& place) const noexcept {
    if constexpr (checking)
      return bytes_.template offers<shape>(top) && policy_.vet_top(top, place);
    place = policy_.place_of(top);
    return true;
  }

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
  // Returns true if sound(block) does for every free block that starts in `range`.
  template <typename Sound>
  [[nodiscard]] bool every_free(Block range, Sound sound) const noexcept {
    for (Offset at = map_.free_from(range.start); at < range.end();
         at = map_.free_from(at + granule_size)) {
      if (!sound(map_.block_at(at))) return false;
    }
    return true;
  }
  template <typename Sound>
  [[nodiscard]] bool every_free(Sound sound) const noexcept {
    return every_free({0, map_.region_size()}, sound);
  }
  [[nodiscard]] static Block without_front(Block block, Size low_end) noexcept {
    return {block.start + low_end, block.extent - low_end};
  }

  // These write the node of a free block: the policy its links, and then the size.
  template <Shape shape = Shape::any>
  void insert(Block block) noexcept {
    policy_.insert(block);
    bytes_.template write_size<shape>(block);
  }
  template <Shape shape = Shape::any>
  void insert_top(Block block) noexcept {
    policy_.insert_top(block);
    bytes_.template write_size<shape>(block);
  }
  template <Shape shape = Shape::any>
  void replace(Block old, Place place, Block now) noexcept {
    policy_.replace(old, place, now);
    bytes_.template write_size<shape>(now);
  }
  template <Shape shape = Shape::any>
  void replace_top(Block old, Place place, Block now) noexcept {
    policy_.replace_top(old, place, now);
    bytes_.template write_size<shape>(now);
  }

  // A block that has become free, and is the top or is not.
  template <Shape shape = Shape::any>
  void insert_any(Block block) noexcept {
    if (is_top(block)) {
      insert_top<shape>(block);
    } else {
      insert<shape>(block);
    }
  }
  template <Shape shape = Shape::any>
  void replace_or_erase(Block from, Place place, Block rest) noexcept {
    if (rest) {
      replace<shape>(from, place, rest);
    } else {
      policy_.erase(from, place);
    }
  }
  template <Shape shape = Shape::any>
  void replace_or_erase_top(Block from, Place place, Block rest) noexcept {
    if (rest) {
      replace_top<shape>(from, place, rest);
    } else {
      policy_.erase_top(from, place);
    }
  }

  // Erases the front of a block that was merged into a free one.
  template <Shape shape = Shape::any>
  void retire(Block block) noexcept {
    bytes_.template scrub_as<shape>(block.start);
    if (block.extent == front_of(shape, bytes_.layout)) [[unlikely]]
      map_.set_tombstone(block.start);
  }

  BlockBytes bytes_;
  BlockMap map_;
  P policy_;

 private:
  // By value and out of line: a split with a gap is rare, and all others stay in registers.
  [[gnu::noinline]] void apply_gap(Split split, Place place) noexcept {
    const bool top = is_top(split.from);
    map_.make_live(split.from);
    map_.make_free(split.gap);
    map_.add_live(split.taken);
    if (split.rest) map_.add_free(split.rest);
    if (top) {
      policy_.split_top(split.from, place, split.gap, split.rest);
    } else {
      policy_.replace(split.from, place, split.gap);
      if (split.rest) policy_.insert_after(split.gap, split.rest);
    }
    bytes_.write_size(split.gap);
    if (split.rest) bytes_.write_size(split.rest);
  }
};

}  // namespace glassheap
