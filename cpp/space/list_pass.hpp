// list_pass.hpp: a freed block is inserted into the list; then, if the heap coalesces, one pass in
// list order merges each block with its successor in the list if that starts where the block ends.
//
// That finds all blocks that touch only if the list is in address order.
#pragma once

#include "space/space.hpp"

namespace glassheap {

template <Policy P>
class ListPassSpace : public Space<P> {
 public:
  using Space<P>::Space;
  using Space<P>::vet;
  using Space<P>::apply;

  struct Release {
    Block block;
  };
  // The range that the release may change, but for merges that do not involve it.
  [[nodiscard]] Block changed_range(const Release& release) const noexcept {
    return policy_.coalesces() ? this->with_free_around(release.block) : release.block;
  }
  [[nodiscard]] Release plan_release(Block block) const noexcept { return {block}; }

  [[nodiscard]] bool vet(const Release& release, Fault& fault) const noexcept {
    return policy_.vet_insert(release.block, fault);
  }
  void apply(const Release& release) noexcept {
    map_.make_free(release.block);
    policy_.insert(release.block);
    if (policy_.coalesces()) coalesce_in_list_order();
  }

  // True if no two free blocks ever touch.
  [[nodiscard]] bool coalesces_all() const noexcept { return policy_.coalesces_all(); }

 private:
  using Space<P>::map_;
  using Space<P>::policy_;

  void coalesce_in_list_order() noexcept {
    Size steps = map_.most_blocks();  // links may change meanwhile in shared memory
    for (Block left = policy_.first(); left && steps != 0; --steps) {
      const Block right = policy_.after(left);
      left = right && right.start == left.end() ? merge(left, right) : right;
    }
  }
  Block merge(Block left, Block right) noexcept {
    const Block whole{left.start, left.extent + right.extent};
    map_.drop_free(right);
    policy_.erase(right);
    map_.extend_free(left, whole);
    policy_.replace(left, whole);
    this->retire(right);
    return whole;
  }
};

}  // namespace glassheap
