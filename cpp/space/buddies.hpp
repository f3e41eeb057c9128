// buddies.hpp: every free block is a power of two in size, starts at a multiple of its size, and
// coalesces with its buddy, the other half of the block that it was split from, and so on upwards.
//
//     buddy of the block at `start` = start xor extent
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
    return policy_.vet(split.from, fault) && vet_pieces(split.gap, fault) &&
           vet_pieces(split.rest, fault);
  }
  void apply(const Split& split) noexcept {
    map_.make_live(split.from);
    policy_.erase(split.from);
    if (split.gap) map_.add_live(split.taken);
    for_pieces(split.gap, [this](Block piece) { insert(piece); });
    if (split.rest) map_.add_live(split.rest);
    for_pieces(split.rest, [this](Block piece) { insert(piece); });
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
    if (rest) map_.add_live(rest);
    for_pieces(rest, [this](Block piece) { insert(piece); });
    bytes_.scrub(right.start);
  }
  [[nodiscard]] static constexpr bool may_stand(Offset start, Size extent) noexcept {
    return start % extent == 0;
  }

  struct Release {
    Block block;
  };
  // The range that the release may change.
  [[nodiscard]] Block changed_range(const Release& release) const noexcept {
    return this->with_free_around(release.block);
  }
  [[nodiscard]] Release plan_release(Block block) const noexcept { return {block}; }

  // A block that halving cannot yield is released in pieces. All free blocks within its enclosing
  // block are vetted: which of them a piece coalesces with depends on the other pieces.
  [[nodiscard]] bool vet(const Release& release, Fault& fault) const noexcept {
    Block whole = enclosing(release.block);
    if (!vet_within(whole, fault)) return false;
    for (Block buddy = free_buddy(whole); buddy; buddy = free_buddy(whole)) {
      if (!policy_.vet(buddy, fault)) return false;
      whole = merged(whole, buddy);
    }
    return release.block == first_piece(release.block) ? policy_.vet_insert(whole, fault)
                                                       : vet_up_to(whole.extent, fault);
  }
  void apply(const Release& release) noexcept {
    for_pieces(release.block, [this](Block piece) { coalesce(piece); });
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
  [[gnu::noinline]] void coalesce(Block whole) noexcept {
    map_.make_free(whole);
    for (Block buddy = free_buddy(whole); buddy; buddy = free_buddy(whole)) {
      policy_.erase(buddy);
      const auto& [left, right] = std::minmax(whole, buddy, starts_before);
      const Block now = merged(left, right);
      map_.drop_free(right);
      map_.extend_free(left, now);
      this->retire(right);
      whole = now;
    }
    policy_.insert(whole);
  }

  [[nodiscard]] static bool starts_before(const Block& a, const Block& b) noexcept {
    return a.start < b.start;
  }
  [[nodiscard]] static Block merged(Block a, Block b) noexcept {
    return {std::min(a.start, b.start), a.extent + b.extent};
  }
  [[nodiscard]] Block free_buddy(Block block) const noexcept {
    const Block buddy{block.start ^ block.extent, block.extent};
    if (buddy.end() > map_.region_size() || !map_.free_at(buddy.start)) return {};
    return map_.block_at(buddy.start) == buddy ? buddy : Block{};
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
  [[nodiscard]] bool vet_up_to(Size extent, Fault& fault) const noexcept {
    for (extent = std::min(extent, std::bit_floor(map_.region_size())); extent >= granule_size;
         extent /= 2) {
      if (!policy_.vet_insert({0, extent}, fault)) return false;
    }
    return true;
  }
};

}  // namespace glassheap
