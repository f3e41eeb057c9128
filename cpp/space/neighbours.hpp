// neighbours.hpp: a freed block coalesces with the free blocks that touch it, at once.
//
//     (live) middle (live)     free_alone         insert(middle)
//     left   middle (live)     join_left          replace(left, left + middle)
//     (live) middle right      join_right         replace(right, middle + right)
//     left   middle right      join_all           erase(right), replace(left, all three)
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
  template <typename Begin>
  bool release(Block middle, Begin begin) noexcept {
    const Block left = map_.free_ending_at(middle.start);
    if (middle.end() == map_.top().start && map_.top())
      return left ? join_all_to_top(left, middle, begin) : join_to_top(middle, begin);
    const Block right = map_.free_starting_at(middle.end());
    if (left) return right ? join_all(left, middle, right, begin) : join_left(left, middle, begin);
    return right ? join_right(middle, right, begin) : free_alone(middle, begin);
  }
  // Returns true if release() would free the block; otherwise sets `fault`.
  [[nodiscard]] bool may_release(Block middle, Fault& fault) const noexcept {
    const Block left = map_.free_ending_at(middle.start);
    const Block right = map_.free_starting_at(middle.end());
    return (!left || this->check(left, fault)) && (!right || this->check(right, fault));
  }

  // The live block `block` becomes a part of the live block in front of it, which is freed next.
  void join(Block block) noexcept {
    map_.drop_live(block);
    this->retire(block);
  }

  // True if no two free blocks ever touch.
  [[nodiscard]] static bool coalesces_all() noexcept { return true; }

 protected:
  using Space<P>::map_;
  using Space<P>::policy_;

  template <typename Begin>
  bool free_alone(Block middle, Begin begin) noexcept {
    begin(middle);
    map_.make_free(middle);
    this->insert_any(middle);
    return true;
  }

 private:
  [[nodiscard]] static Block joined(Block left, Block right) noexcept {
    return {left.start, left.extent + right.extent};
  }

  template <typename Begin>
  bool join_left(Block left, Block middle, Begin begin) noexcept {
    Place place;
    if (!this->vet_below_top(left, place)) return false;
    const Block whole = joined(left, middle);
    begin(whole);
    map_.drop_live(middle);
    map_.extend_free(left, whole);
    if (this->is_top(whole)) {
      policy_.erase(left, place);
      policy_.insert_top(whole);
    } else {
      policy_.replace(left, place, whole);
    }
    this->retire(middle);
    return true;
  }
  template <typename Begin>
  bool join_right(Block middle, Block right, Begin begin) noexcept {
    Place place;
    if (!this->vet_below_top(right, place)) return false;
    const Block whole = joined(middle, right);
    begin(whole);
    map_.drop_free(right);
    map_.make_free(whole);
    policy_.replace(right, place, whole);
    this->retire(right);
    return true;
  }
  template <typename Begin>
  bool join_all(Block left, Block middle, Block right, Begin begin) noexcept {
    Place left_place;
    Place right_place;
    if (!this->vet_below_top(left, left_place) || !this->vet_below_top(right, right_place))
      return false;
    const Block whole = joined(left, joined(middle, right));
    begin(whole);
    map_.drop_free(right);
    policy_.erase(right, right_place);
    map_.drop_live(middle);
    policy_.replace(left, left_place, whole);
    this->retire(middle);
    this->retire(right);
    return true;
  }
  template <typename Begin>
  bool join_to_top(Block middle, Begin begin) noexcept {
    Place place;
    const Block top = map_.top();
    if (!this->vet_top(top, place)) return false;
    const Block whole = joined(middle, top);
    begin(whole);
    map_.add_to_top(middle);
    policy_.replace_top(top, place, whole);
    this->retire(top);
    return true;
  }
  template <typename Begin>
  bool join_all_to_top(Block left, Block middle, Begin begin) noexcept {
    Place left_place;
    Place place;
    const Block top = map_.top();
    if (!this->vet_below_top(left, left_place) || !this->vet_top(top, place)) return false;
    const Block whole = joined(left, joined(middle, top));
    begin(whole);
    map_.add_to_top(middle);
    map_.add_free_to_top(left);
    policy_.erase(left, left_place);
    policy_.replace_top(top, place, whole);
    this->retire(middle);
    this->retire(top);
    return true;
  }
};

}  // namespace glassheap
