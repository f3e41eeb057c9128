// deferred.hpp: a small freed block stays as it is, until a pass joins all free blocks that touch.
//
//     | a | b | c |  live  | d | e | top ..........         seven blocks, six of them free
//     | a ....... |  live  | d ....................         after a pass
//
// A block of `joined_from` bytes or more coalesces at its release, as in neighbours.hpp, with the
// free block on either side as that is. The release of a smaller one looks at no neighbour.
//
// A pass is made before a request is refused, if the request then succeeds; and after a release
// that leaves more than four free blocks for each live one, and 256. A pass leaves at most one more
// free block than there are live ones. So at least (3 l + 255) / 5 releases lie between two passes of
// that second kind, if l blocks are live after the first, and each release pays for a few blocks.
//
// All nodes are vetted before a pass begins, so that it cannot fail. If one is unsound, a request
// that needs the pass is refused for it, and a release goes without: what is not joined harms
// nobody. Each run of blocks that touch is joined under an intent of its own, so a process that dies
// in a pass leaves that run free. Then the policy is told of all free blocks anew, the highest
// first: the lowest of a bin is then its front.
//
// A batch that is refused after a pass takes the pass back: BeforePass has the free blocks, their
// nodes, and the policy's lists.
//
// Invariant. After a pass no two free blocks touch. Before, any may.
#pragma once

#include <vector>

#include "space/neighbours.hpp"

namespace glassheap {

template <Policy P>
class DeferredSpace : public NeighbourSpace<P> {
 public:
  using NeighbourSpace<P>::NeighbourSpace;

  static constexpr bool defers = true;
  static constexpr Size joined_from = 64 * granule_size;

  // Frees a live block. Returns false, and changes nothing, if the node of a block that it joins at
  // once is unsound. Calls begin(range) before the first change, with the range that changes.
  template <Shape shape = Shape::any, typename Begin>
  bool release(Block block, Begin begin) noexcept {
    if (block.extent >= joined_from) [[unlikely]]
      return NeighbourSpace<P>::template release<shape>(block, begin);
    return this->is_top(block) ? this->template free_at_end<shape>(block, begin)
                               : this->template free_alone<shape>(block, begin);
  }
  // The same for a small block that does not end the region, if no pass will be due then.
  template <Shape shape, typename Begin>
  bool release_near(const BlockMap::Vicinity& around, Begin begin) noexcept {
    if (around.block().extent >= joined_from || is_pass_nearly_due()) [[unlikely]]
      return false;
    return this->template free_alone<shape>(around.block(), begin);
  }
  // Returns true if release() would free the block; otherwise sets `fault`.
  [[nodiscard]] bool may_release(Block block, Fault& fault) const noexcept {
    return block.extent < joined_from || NeighbourSpace<P>::may_release(block, fault);
  }

  // True if no two free blocks ever touch.
  [[nodiscard]] static bool coalesces_all() noexcept { return false; }

  // --- The pass. --------------------------------------------------------------------------------

  // Returns true if a pass is due for the number of free blocks; or may be after one more release.
  [[nodiscard]] bool is_pass_due() const noexcept {
    return map_.free_blocks() > 4 * map_.live_blocks() + 256;
  }
  [[nodiscard]] bool is_pass_nearly_due() const noexcept {
    return map_.free_blocks() + 5 > 4 * map_.live_blocks() + 256;
  }
  // Returns true if free blocks that touch would together serve the request.
  [[nodiscard, gnu::cold, gnu::noinline]] bool pass_would_serve(
      const Request& request) const noexcept {
    bool serves = false;
    for_each_run([&](Block run) {
      serves = serves || (run.extent >= request.extent && bytes_.place(run, request).has_value());
    });
    return serves;
  }
  // Returns true if every node is sound; otherwise sets `fault`.
  [[nodiscard, gnu::cold, gnu::noinline]] bool may_pass(Fault& fault) const noexcept {
    return this->every_free(
        [&](Block free) { return this->check(free, fault) && holds_fill(free, fault); });
  }
  // Joins all free blocks that touch. Calls begin(run) before it changes a run of them.
  template <typename Begin>
  [[gnu::cold, gnu::noinline]] void pass(Begin begin) noexcept {
    for_each_run([&](Block run) {
      if (map_.block_at(run.start) == run) return;
      begin(run);
      join_run(run);
    });
    policy_.clear();
    for (Offset at = map_.free_before(map_.region_size()); at != nowhere; at = map_.free_before(at))
      this->insert_any(map_.block_at(at));
  }

  struct BeforePass {
    struct Free {
      Block block;
      header_t front{};
    };
    std::vector<Free> blocks;
    typename P::Snapshot lists;
  };
  // Throws std::bad_alloc if there is no memory for it.
  [[nodiscard]] BeforePass before_pass() const {
    BeforePass before{{}, policy_.snapshot()};
    before.blocks.reserve(map_.free_blocks());
    static_cast<void>(this->every_free([&](Block free) {
      before.blocks.push_back({free, bytes_.save(free.start)});
      return true;
    }));
    return before;
  }
  // Takes a pass back. The free blocks are those that it left, and all others are as before it.
  template <typename Begin>
  [[gnu::cold]] void undo_pass(const BeforePass& before, Begin begin) noexcept {
    for (const auto& [block, front] : before.blocks) {
      if (!map_.free_at(block.start)) {
        const Block whole = map_.block_around(block.start);
        begin(whole);
        cut(whole, block.start);
      }
      bytes_.restore(block.start, front);
    }
    policy_.restore(before.lists);
  }

 private:
  using NeighbourSpace<P>::bytes_;
  using NeighbourSpace<P>::map_;
  using NeighbourSpace<P>::policy_;

  // Returns true if the bytes of the free block still hold their fill, where they are watched.
  [[nodiscard]] bool holds_fill(Block free, Fault& fault) const noexcept {
    return !bytes_.layout.has_redzones() ||
           redzone::fill_holds(bytes_, free, free.end(), {}, fault);
  }

  // Calls visit(run) for each maximal run of free blocks, in address order. It may join them.
  template <typename Visit>
  void for_each_run(Visit visit) const {
    for (Offset at = map_.free_from(0); at < map_.region_size();) {
      const Block run = this->with_free_around(map_.block_at(at));
      visit(run);
      at = map_.free_from(run.end());
    }
  }
  void join_run(Block run) noexcept {
    Block left = map_.block_at(run.start);
    while (left.end() < run.end()) {
      const Block right = map_.block_at(left.end());
      const Block whole{left.start, left.extent + right.extent};
      map_.drop_free(right);
      map_.extend_free(left, whole);
      this->retire(right);
      left = whole;
    }
  }
  // Makes the free block two, of which the second starts at `at`.
  void cut(Block whole, Offset at) noexcept {
    map_.make_live(whole);
    map_.make_free({whole.start, at - whole.start});
    map_.add_free({at, whole.end() - at});
  }
};

}  // namespace glassheap
