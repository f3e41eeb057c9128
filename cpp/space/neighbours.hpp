// neighbours.hpp: a freed block coalesces with the free blocks that touch it, at once.
//
//     (live) middle (live)     free_alone         insert(middle)
//     left   middle (live)     join_left          replace(left, left + middle)
//     (live) middle right      join_right         replace(right, middle + right)
//     left   middle right      join_all           erase(right), replace(left, all three)
//     (live) middle |end       free_at_end        insert_top(middle)
//     left   middle |end       join_left_at_end   erase(left), insert_top(left + middle)
//     (live) middle top        join_to_top        replace_top(top, middle + top)
//     left   middle top        join_all_to_top    erase(left), replace_top(top, all three)
//
// Each case is a function, which vets what it joins, and then makes the change.
//
// Invariant. No two free blocks touch.
#pragma once

#include "space/space.hpp"

namespace glassheap {

template <Policy P>
class NeighbourSpace : public Space<P> {
 public:
  using Space<P>::Space;
  using typename Space<P>::Place;

  // Frees a live block. Returns false, and changes nothing, if the node of a block that it touches
  // is unsound. Calls begin(range) before the first change, with the range that changes.
  template <Shape shape = Shape::any, typename Begin>
  bool release(Block middle, Begin begin) noexcept {
    const Block left = map_.free_ending_at(middle.start);
    if (this->is_top(middle)) {
      return left ? join_left_at_end<shape>(left, middle, begin)
                  : free_at_end<shape>(middle, begin);
    }
    if (middle.end() == map_.top().start) return release_to_top<shape>(left, middle, begin);
    return release_below_top<shape>(left, middle, map_.free_starting_at(middle.end()), begin);
  }
  // The same for a block whose end is near.
  template <Shape shape, typename Begin>
  bool release_near(const BlockMap::Vicinity& around, Begin begin) noexcept {
    const Block middle = around.block();
    const Block left =
        around.has_near_before() ? around.free_before() : map_.free_ending_at(middle.start);
    if (middle.end() == map_.top().start) return release_to_top<shape>(left, middle, begin);
    return release_below_top<shape>(left, middle, map_.free_starting_below_top(middle.end()),
                                    begin);
  }
  // Returns true if release() would free the block; otherwise sets `fault`.
  [[nodiscard]] bool may_release(Block middle, Fault& fault) const noexcept {
    const Block left = map_.free_ending_at(middle.start);
    const Block right = map_.free_starting_at(middle.end());
    return (!left || this->check(left, fault)) && (!right || this->check(right, fault));
  }

  // The live blocks in `run`, of which there are `count`, become one. The fronts of all but the first
  // have been erased, by erase_front().
  void join(Block run, Size count) noexcept { map_.join_live(run, count); }
  void erase_front(Block block) noexcept { this->retire(block); }

  // True if no two free blocks ever touch.
  [[nodiscard]] static bool coalesces_all() noexcept { return true; }

 protected:
  using Space<P>::map_;
  using Space<P>::policy_;

  template <Shape shape, typename Begin>
  bool free_alone(Block middle, Begin begin) noexcept {
    begin(middle);
    map_.make_free_below_top(middle);
    this->template insert<shape>(middle);
    return true;
  }
  template <Shape shape, typename Begin>
  bool free_at_end(Block middle, Begin begin) noexcept {
    begin(middle);
    map_.make_free(middle);
    this->template insert_top<shape>(middle);
    return true;
  }

 private:
  [[nodiscard]] static Block joined(Block left, Block right) noexcept {
    return {left.start, left.extent + right.extent};
  }

  // The free blocks, or no blocks, on either side are given.
  template <Shape shape, typename Begin>
  bool release_below_top(Block left, Block middle, Block right, Begin begin) noexcept {
    if (left) {
      return right ? join_all<shape>(left, middle, right, begin)
                   : join_left<shape>(left, middle, begin);
    }
    return right ? join_right<shape>(middle, right, begin) : free_alone<shape>(middle, begin);
  }
  template <Shape shape, typename Begin>
  bool release_to_top(Block left, Block middle, Begin begin) noexcept {
    return left ? join_all_to_top<shape>(left, middle, begin) : join_to_top<shape>(middle, begin);
  }

  template <Shape shape, typename Begin>
  bool join_left(Block left, Block middle, Begin begin) noexcept {
    Place place;
    if (!this->template vet_below_top<shape>(left, place)) return false;
    const Block whole = joined(left, middle);
    begin(whole);
    map_.drop_live(middle);
    this->template replace<shape>(left, place, whole);
    this->template retire<shape>(middle);
    return true;
  }
  template <Shape shape, typename Begin>
  bool join_left_at_end(Block left, Block middle, Begin begin) noexcept {
    Place place;
    if (!this->template vet_below_top<shape>(left, place)) return false;
    const Block whole = joined(left, middle);
    begin(whole);
    map_.drop_live(middle);
    map_.extend_free(left, whole);
    policy_.erase(left, place);
    this->template insert_top<shape>(whole);
    this->template retire<shape>(middle);
    return true;
  }
  template <Shape shape, typename Begin>
  bool join_right(Block middle, Block right, Begin begin) noexcept {
    Place place;
    if (!this->template vet_below_top<shape>(right, place)) return false;
    const Block whole = joined(middle, right);
    begin(whole);
    map_.drop_free_below_top(right);
    map_.make_free_below_top(whole);
    this->template replace<shape>(right, place, whole);
    this->template retire<shape>(right);
    return true;
  }
  template <Shape shape, typename Begin>
  bool join_all(Block left, Block middle, Block right, Begin begin) noexcept {
    Place left_place;
    Place right_place;
    if (!this->template vet_below_top<shape>(left, left_place) ||
        !this->template vet_below_top<shape>(right, right_place))
      return false;
    const Block whole = joined(left, joined(middle, right));
    begin(whole);
    map_.drop_free_below_top(right);
    policy_.erase(right, right_place);
    map_.drop_live(middle);
    this->template replace<shape>(left, left_place, whole);
    this->template retire<shape>(middle);
    this->template retire<shape>(right);
    return true;
  }
  template <Shape shape, typename Begin>
  bool join_to_top(Block middle, Begin begin) noexcept {
    Place place;
    const Block top = map_.top();
    if (!this->template vet_top<shape>(top, place)) return false;
    const Block whole = joined(middle, top);
    begin(whole);
    map_.add_to_top(middle);
    this->template replace_top<shape>(top, place, whole);
    this->template retire<shape>(top);
    return true;
  }
  template <Shape shape, typename Begin>
  bool join_all_to_top(Block left, Block middle, Begin begin) noexcept {
    Place left_place;
    Place place;
    const Block top = map_.top();
    if (!this->template vet_below_top<shape>(left, left_place) ||
        !this->template vet_top<shape>(top, place))
      return false;
    const Block whole = joined(left, joined(middle, top));
    begin(whole);
    map_.add_to_top(middle);
    map_.add_free_to_top(left);
    policy_.erase(left, left_place);
    this->template replace_top<shape>(top, place, whole);
    this->template retire<shape>(middle);
    this->template retire<shape>(top);
    return true;
  }
};

}  // namespace glassheap
