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
  using typename Space<P>::Place;

  // Frees a live block. Returns false, and changes nothing, if the node of a free block is unsound:
  // the pass may merge any. Calls begin(range) before the first change, with the range that the
  // release may change, but for merges that do not involve it.
  template <Shape shape = Shape::any, typename Begin>
  bool release(Block block, Begin begin) noexcept {
    if (checking && !all_sound()) return false;
    begin(policy_.coalesces() ? this->with_free_around(block) : block);
    map_.make_free(block);
    this->insert(block);
    if (policy_.coalesces()) coalesce_in_list_order();
    return true;
  }
  template <Shape shape, typename Begin>
  bool release_near(const BlockMap::Vicinity& around, Begin begin) noexcept {
    return release<shape>(around.block(), begin);
  }
  // Returns true if release() would free the block; otherwise sets `fault`.
  [[nodiscard]] bool may_release(Block /*block*/, Fault& fault) const noexcept {
    return this->every_free([&](Block free) { return this->check(free, fault); });
  }

  // True if no two free blocks ever touch.
  [[nodiscard]] bool coalesces_all() const noexcept { return policy_.coalesces_all(); }

 private:
  using Space<P>::map_;
  using Space<P>::policy_;

  [[nodiscard]] bool all_sound() const noexcept {
    Place place;
    return this->every_free([&](Block free) { return this->vet(free, place); });
  }
  void coalesce_in_list_order() noexcept {
    Size steps = map_.most_blocks();  // links may change meanwhile in shared memory
    for (Place left = policy_.first(); policy_.is_place(left) && steps != 0; --steps) {
      const Place right = policy_.after(left);
      if (!policy_.is_place(right) || !merge(left, right)) left = right;
    }
  }
  // Merges two blocks if the right one starts where the left one ends. Returns true if it does.
  bool merge(Place left, Place right) noexcept {
    const Block old = policy_.block(left);
    const Block joining = policy_.block(right);
    if (!old || !joining || joining.start != old.end()) return false;
    const Block whole{old.start, old.extent + joining.extent};
    map_.drop_free(joining);
    policy_.erase(joining, right);
    map_.extend_free(old, whole);
    this->replace(old, left, whole);
    this->retire(joining);
    return true;
  }
};

}  // namespace glassheap
