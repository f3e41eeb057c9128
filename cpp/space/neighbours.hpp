// neighbours.hpp: a freed block coalesces with the free blocks that touch it, at once.
//
//     (live) middle (live)     insert(middle)
//     left   middle (live)     replace(left, left + middle)
//     (live) middle right      replace(right, middle + right)
//     left   middle right      erase(right), replace(left, all three)
//
// Invariant. No two free blocks touch.
#pragma once

#include "space/space.hpp"

namespace glassheap {

template <Policy P>
class NeighbourSpace : public Space<P> {
 public:
  using Space<P>::Space;
  using Space<P>::vet;
  using Space<P>::apply;

  // A block to be freed, the free blocks that touch it, and the one that they become.
  struct Release {
    Block left, middle, right, whole;

    [[nodiscard]] bool has_both() const noexcept { return left && right; }
  };

  // The range that the release changes.
  [[nodiscard]] static Block changed_range(const Release& release) noexcept {
    return release.whole;
  }
  [[nodiscard]] Release plan_release(Block block) const noexcept {
    const Block left = map_.free_ending_at(block.start);
    const Block right = map_.free_starting_at(block.end());
    return {left,
            block,
            right,
            {left ? left.start : block.start, left.extent + block.extent + right.extent}};
  }
  [[nodiscard]] bool vet(const Release& release, Fault& fault) const noexcept {
    const Block old = replaced(release);
    if (!old) return policy_.vet_insert(release.middle, fault);
    return policy_.vet_replace(old, release.whole, fault) &&
           (!release.has_both() || policy_.vet(release.right, fault));
  }
  void apply(const Release& release) noexcept {
    const auto& [left, middle, right, whole] = release;
    if (right) map_.drop_free(right);
    if (release.has_both()) policy_.erase(right);
    if (left) {
      map_.drop_live(middle);
      map_.extend_free(left, whole);
    } else {
      map_.make_free(whole);
    }
    replace_or_insert(replaced(release), whole);
    if (left) this->retire(middle);
    if (right) this->retire(right);
  }

  // The live block `block` becomes a part of the live block in front of it, which is freed next.
  void join(Block block) noexcept {
    map_.drop_live(block);
    this->retire(block);
  }

  // True if no two free blocks ever touch.
  [[nodiscard]] static bool coalesces_all() noexcept { return true; }

 private:
  using Space<P>::map_;
  using Space<P>::policy_;

  // The free block that `whole` replaces; no block if no free block touches the middle.
  [[nodiscard]] static Block replaced(const Release& release) noexcept {
    return release.left ? release.left : release.right;
  }
  void replace_or_insert(Block old, Block whole) noexcept {
    if (old) {
      policy_.replace(old, whole);
    } else {
      policy_.insert(whole);
    }
  }
};

}  // namespace glassheap
