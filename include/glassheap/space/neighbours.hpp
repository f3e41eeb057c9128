// neighbours.hpp: a block that is freed becomes one with the free blocks that touch it, at once.
//
//     (live) middle (live)     insert(middle)
//     left   middle (live)     replace(left, left + middle)
//     (live) middle right      replace(right, middle + right)
//     left   middle right      erase(right), replace(left, all three)
//
// Invariant. No two free blocks touch.
#pragma once

#include "glassheap/space/space.hpp"

namespace glassheap {

template <Policy P>
class NeighbourSpace : public Space<P> {
 public:
  using Space<P>::Space;
  using Space<P>::vet;
  using Space<P>::apply;

  // A block that becomes free, the free blocks that touch it, and all of them in one.
  struct Release {
    Block left, middle, right, whole;
  };

  [[nodiscard]] Release plan_release(Block block) const noexcept {
    const Block left = map_.free_ending_at(block.start);
    const Block right = map_.free_starting_at(block.end());
    return {left,
            block,
            right,
            {left ? left.start : block.start, left.extent + block.extent + right.extent}};
  }
  [[nodiscard]] bool vet(const Release& release, Fault& fault) const noexcept {
    const auto& [left, middle, right, whole] = release;
    if (left)
      return policy_.vet_replace(left, whole, fault) && (!right || policy_.vet(right, fault));
    return right ? policy_.vet_replace(right, whole, fault) : policy_.vet_insert(middle, fault);
  }
  void apply(const Release& release) noexcept {
    const auto& [left, middle, right, whole] = release;
    if (right) map_.drop_free(right);
    if (!left) {
      map_.make_free(whole);
      if (!right) return policy_.insert(whole);
      policy_.replace(right, whole);
    } else {
      if (right) policy_.erase(right);
      map_.drop_live(middle);
      map_.extend_free(left, whole);
      policy_.replace(left, whole);
      this->retire(middle);
    }
    if (right) this->retire(right);
  }

  // Whether no two free blocks touch.
  [[nodiscard]] static bool joins_all() noexcept { return true; }

 private:
  using Space<P>::map_;
  using Space<P>::policy_;
};

}  // namespace glassheap
