// buddies.hpp: every free block is a power of two in size, starts at a multiple of its size, and
// coalesces with its buddy, the other half of the block that it was split from, and so on upwards.
//
//     buddy of the block at `start` = start xor extent
//
// A split halves the block down to the request, and a release merges a block with all free buddies
// on its way up, each as one step: the block map changes word by word (BlockMap::halve and merge),
// and no block in between is written.
//
//     | taken | 1 |   2   |       4       |     taken from 8; its release merges it with 1, 2 and 4
//
// Any other range becomes free in pieces of that kind: the rest of a split, a region whose size is
// not a power of two, a live block that starts, for its alignment, where no block of its size may:
//
//     | 16 |         64          |    32    | 16 |        the pieces of 128 bytes from 48 on, each
//     48   64                    128        160  176      the largest that may start there
#pragma once

#include "space/space.hpp"

namespace glassheap {

// The smallest block that contains `span` and that halving the region can yield.
[[nodiscard]] constexpr Block enclosing(Block span) noexcept {
  Block block{span.start, std::bit_ceil(span.extent)};
  while ((block.start &= ~(block.extent - 1)) + block.extent < span.end()) block.extent *= 2;
  return block;
}

template <Policy P>
class BuddySpace : public Space<P> {
 public:
  using Space<P>::Space;

  void seed() noexcept {
    const Block whole{0, bytes_.size()};
    policy_.clear();
    map_.add_live(whole);
    for_pieces(whole, [this](Block piece) { insert(piece); });
  }

  [[nodiscard]] bool vet(const Split& split, Fault& fault) const noexcept {
    if (!policy_.vet(split.from, fault)) return false;
    return split.gap ? vet_pieces(split.gap, fault) && vet_pieces(split.rest, fault)
                     : policy_.vet_inserts(split.taken.extent, split.from.extent, fault);
  }
  void apply(const Split& split) noexcept {
    const auto& [from, gap, taken, rest] = split;
    if (gap) {
      apply_gap(split);
      return;
    }
    if (rest) {
      map_.halve(from, taken.extent);
    } else {
      map_.make_live(from);
    }
    policy_.erase(from);
    for (Size extent = taken.extent; 2 * extent <= from.extent; extent *= 2)
      policy_.insert({from.start + extent, extent});
  }
  template <typename Visit>
  static void visit_pieces(Block span, Visit visit) {
    while (span) {
      const Block piece = first_piece(span);
      visit(piece);
      span = Space<P>::without_front(span, piece.extent);
    }
  }
  void undo(const Split& split, const typename P::Mark& mark) noexcept {
    visit_pieces(split.rest, [this](Block piece) {
      map_.drop_free(piece);
      policy_.erase(piece);
    });
    map_.make_free(split.from);
    policy_.restore(split.from, mark);
  }

  [[nodiscard]] bool vet_growth(Block right, Size more, Fault& fault) const noexcept {
    return this->has_room(right, more, fault) && policy_.vet(right, fault) &&
           vet_pieces(this->without_front(right, more), fault);
  }
  void grow(Block right, Size more) noexcept {
    const Block rest = this->without_front(right, more);
    map_.drop_free(right);
    policy_.erase(right);
    add_pieces(rest);
    bytes_.scrub(right.start);
  }
  [[nodiscard]] static constexpr bool may_stand(Offset start, Size extent) noexcept {
    return start % extent == 0;
  }

  // A block to be freed, and the one that it becomes together with the free buddies on the way up.
  struct Release {
    Block block, whole;  // no whole: halving cannot yield the block, and it is freed in pieces
  };
  // The range that the release may change.
  [[nodiscard]] Block changed_range(const Release& release) const noexcept {
    return this->with_free_around(release.block);
  }
  [[nodiscard]] Release plan_release(Block block) const noexcept {
    return {block, block == first_piece(block) ? whole_of(block) : Block{}};
  }

  [[nodiscard]] bool vet(const Release& release, Fault& fault) const noexcept {
    const auto& [block, whole] = release;
    if (!whole) return vet_in_pieces(block, fault);
    for (Size extent = block.extent; extent < whole.extent; extent *= 2) {
      if (!policy_.vet(buddy_at(block.start, extent), fault)) return false;
    }
    return policy_.vet_insert(whole, fault);
  }
  void apply(const Release& release) noexcept {
    if (release.whole) {
      coalesce(release.block, release.whole);
    } else {
      for_pieces(release.block, [this](Block piece) { coalesce(piece, whole_of(piece)); });
    }
  }
  // Blocks that are freed together may form a block that none of them would alone, and so coalesce
  // with any free block.
  [[nodiscard]] bool vet_batch(Fault& fault) const noexcept {
    return vet_within({0, map_.region_size()}, fault);
  }

  // The split may take a block that this one would have coalesced with on its way up, and that need
  // not touch it: the result then goes to another bin.
  [[nodiscard]] bool vet_after(const Split& split, Block /*block*/, Fault& fault) const noexcept {
    return policy_.vet_list_neighbours(split.from, fault) && policy_.vet_any_insert(fault);
  }

  // True if no two free blocks ever touch.
  [[nodiscard]] static bool coalesces_all() noexcept { return false; }

 private:
  using Space<P>::bytes_;
  using Space<P>::map_;
  using Space<P>::policy_;

  // Calls visit(piece) for each piece of a live block, when that is a live block of its own.
  template <typename Visit>
  void for_pieces(Block span, Visit visit) noexcept {
    while (span) {
      const Block piece = first_piece(span);
      span = this->without_front(span, piece.extent);
      if (span) map_.add_live(span);
      visit(piece);
    }
  }
  [[gnu::noinline]] void insert(Block piece) noexcept {
    map_.make_free(piece);
    policy_.insert(piece);
  }
  // Adds the pieces of a span behind a block that ends there, in which no block starts.
  void add_pieces(Block span) noexcept {
    visit_pieces(span, [this](Block piece) {
      map_.add_free(piece);
      policy_.insert(piece);
    });
  }

  // The buddy of the block of this extent that contains `at`.
  [[nodiscard]] static Block buddy_at(Offset at, Size extent) noexcept {
    return {(at & ~(extent - 1)) ^ extent, extent};
  }
  // What a piece that becomes free coalesces to.
  [[nodiscard]] Block whole_of(Block piece) const noexcept {
    Size extent = piece.extent;
    while (map_.is_free(buddy_at(piece.start, extent))) extent *= 2;
    return {piece.start & ~(extent - 1), extent};
  }
  // The block, which is live, coalesces with the buddies on the way up to `whole`.
  void coalesce(Block block, Block whole) noexcept {
    if (block == whole) {
      map_.make_free(whole);
    } else {
      map_.merge(block, whole);
    }
    for (Size extent = block.extent; extent < whole.extent; extent *= 2) {
      policy_.erase(buddy_at(block.start, extent));
      this->retire({(block.start & ~(extent - 1)) | extent, extent});  // the right one of the two
    }
    policy_.insert(whole);
  }
  // By value and out of line, as in space.hpp.
  [[gnu::noinline]] void apply_gap(Split split) noexcept {
    map_.make_live(split.from);
    policy_.erase(split.from);
    map_.add_live(split.taken);
    for_pieces(split.gap, [this](Block piece) { insert(piece); });
    add_pieces(split.rest);
  }

  [[nodiscard]] bool vet_pieces(Block span, Fault& fault) const noexcept {
    bool sound = true;
    visit_pieces(span, [&](Block piece) { sound = sound && policy_.vet_insert(piece, fault); });
    return sound;
  }
  [[nodiscard]] bool vet_within(Block whole, Fault& fault) const noexcept {
    for (Offset at = map_.free_from(whole.start); at < whole.end();
         at = map_.free_from(at + granule_size)) {
      if (!policy_.vet(map_.block_at(at), fault)) return false;
    }
    return true;
  }
  // All free blocks within the enclosing block are vetted: which of them a piece coalesces with
  // depends on the other pieces.
  [[nodiscard]] bool vet_in_pieces(Block block, Fault& fault) const noexcept {
    const Block least = enclosing(block);
    if (!vet_within(least, fault)) return false;
    const Size extent = whole_of(least).extent;
    for (Size below = least.extent; below < extent; below *= 2) {
      if (!policy_.vet(buddy_at(least.start, below), fault)) return false;
    }
    return policy_.vet_inserts(granule_size,
                               2 * std::min(extent, std::bit_floor(map_.region_size())), fault);
  }
};

}  // namespace glassheap
