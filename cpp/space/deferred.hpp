// deferred.hpp: a small freed block stays as it is, until a pass joins all free blocks that touch.
//
//     | a | b | c |  live  | d | e | top ..........         seven blocks, six of them free
//     | a ....... |  live  | d ....................         after a pass
//
// A block of `joined_from` bytes or more coalesces at its release, as in neighbours.hpp, with the
// free block on either side as that is. The release of a smaller one looks at no neighbour.
//
// A pass is made before a request is refused, if the request then succeeds; and by a release after
// which there are more than four free blocks for each live one, and 256. A pass leaves at most one
// more free block than there are live ones. So l live blocks and at least (3 l + 256) / 5 releases
// lie between two passes of that second kind, and each has fewer than three blocks to visit for
// each of these releases.
//
// A pass is vetted before it begins, node by node, and so cannot fail. Each run of blocks that
// touch is joined under an intent of its own: a process that dies in a pass leaves that run free.
//
// Invariant. After a pass no two free blocks touch. Before, any may.
#pragma once

#include <ranges>
#include <span>

#include "space/neighbours.hpp"

namespace glassheap {

template <Policy P>
class DeferredSpace : public NeighbourSpace<P> {
  using Neighbours = NeighbourSpace<P>;

 public:
  using Neighbours::apply;
  using Neighbours::Neighbours;
  using Neighbours::vet;

  static constexpr bool defers = true;
  static constexpr Size joined_from = 64 * granule_size;

  struct Release : Neighbours::Release {
    bool joins = false;  // a pass is due after it
  };
  [[nodiscard]] Release plan_release(Block block) const noexcept {
    if (block.extent < joined_from) return {{{}, block, {}, block}, is_due(1, 1)};
    const auto at_once = Neighbours::plan_release(block);
    const Size merged = (at_once.left ? 1U : 0U) + (at_once.right ? 1U : 0U);
    return {at_once, is_due(1, 1, merged)};
  }
  [[nodiscard]] bool vet(const Release& release, Fault& fault) const noexcept {
    return Neighbours::vet(release, fault) && (!release.joins || vet_join(fault));
  }
  void apply(const Release& release) noexcept {
    if (release.middle.extent >= joined_from) {
      Neighbours::apply(release);
    } else {
      map_.make_free(release.middle);
      policy_.insert(release.middle);
    }
  }

  // True if several blocks, each of which may be released, may be released together.
  [[nodiscard]] bool vet_batch(Size blocks, Fault& fault) const noexcept {
    return Neighbours::vet_batch(blocks, fault) && (!is_due(blocks, blocks) || vet_join(fault));
  }
  // The split may leave one more free block than there is now, in front of an aligned payload.
  [[nodiscard]] bool vet_after(const Split& split, Block block, Fault& fault) const noexcept {
    return Neighbours::vet_after(split, block, fault) && (!is_due(2, 1) || vet_join(fault));
  }

  // True if no two free blocks ever touch.
  [[nodiscard]] static bool coalesces_all() noexcept { return false; }

  // --- The pass. --------------------------------------------------------------------------------

  // True if free blocks that touch would, joined, serve the request.
  [[nodiscard, gnu::cold]] bool join_would_serve(const Request& request) const noexcept {
    bool serves = false;
    for_each_run([&](Block run) {
      serves = serves || (run.extent >= request.extent && bytes_.place(run, request).has_value());
    });
    return serves;
  }
  // True if every free block may be joined.
  [[nodiscard, gnu::cold, gnu::noinline]] bool vet_join(Fault& fault) const noexcept {
    for (Offset at = map_.free_from(0); at != nowhere; at = map_.free_from(at + granule_size)) {
      if (!policy_.vet(map_.block_at(at), fault)) return false;
    }
    return true;
  }
  // Joins all free blocks that touch. Calls begin(run) before it changes a run of them. The lowest
  // block of a bin is then its first.
  template <typename Begin>
  [[gnu::cold, gnu::noinline]] void join(Begin begin) noexcept {
    for_each_run([&](Block run) {
      if (map_.block_at(run.start) == run) return;
      begin(run);
      join_run(run);
    });
    policy_.clear();
    for (Offset at = map_.free_before(map_.region_size()); at != nowhere; at = map_.free_before(at))
      policy_.insert(map_.block_at(at));
  }
  // Undoes a pass: the free blocks are again those of `list`, in list order.
  template <typename Begin>
  [[gnu::cold]] void unjoin(std::span<const Block> list, Begin begin) noexcept {
    for (const Block block : list) {
      if (map_.free_at(block.start)) continue;
      const Block whole = map_.block_around(block.start);
      begin(whole);
      cut(whole, block.start);
    }
    policy_.clear();
    for (const Block block : std::views::reverse(list)) policy_.insert(block);
  }

 private:
  using Neighbours::bytes_;
  using Neighbours::map_;
  using Neighbours::policy_;

  // True if a pass is due when so many blocks more are free, so many fewer are live, and so many of
  // the free ones have been merged.
  [[nodiscard]] bool is_due(Size freed, Size released, Size merged = 0) const noexcept {
    return map_.free_blocks() + freed + 4 * released > 4 * map_.live_blocks() + 256 + merged;
  }

  // Calls visit(run) for each maximal run of free blocks, in address order. It may join them.
  template <typename Visit>
  void for_each_run(Visit visit) const {
    for (Offset at = map_.free_from(0); at != nowhere;) {
      const Block run = this->with_free_around(map_.block_at(at));
      visit(run);
      at = map_.free_from(run.end());
    }
  }
  void join_run(Block run) noexcept {
    Block left = map_.block_at(run.start);
    while (const Block right = map_.free_starting_at(left.end())) {
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
