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

#include <array>
#include <ranges>
#include <span>

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
  using typename Space<P>::Place;

  void seed() noexcept {
    const Block whole{0, bytes_.size()};
    policy_.clear();
    map_.add_live(whole);
    for_pieces(whole, [this](Block piece) { insert_piece(piece); });
  }

  template <Shape shape = Shape::any>
  void apply(const Split& split, Place place) noexcept {
    const auto& [from, gap, taken, rest] = split;
    if (gap) {
      apply_gap(split, place);
      return;
    }
    if (rest) {
      map_.halve(from, taken.extent);
    } else {
      map_.make_live(from);
    }
    policy_.halve(from, place, taken.extent);
    for (Size extent = taken.extent; extent < from.extent; extent *= 2)
      bytes_.template write_size<shape>({from.start + extent, extent});
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
    // In reverse: then the records are given back in the order in which they are taken.
    std::array<Block, 64> pieces;
    std::size_t count = 0;
    visit_pieces(split.rest, [&](Block piece) { pieces[count++ % pieces.size()] = piece; });
    for (const Block piece : std::views::reverse(std::span(pieces).first(count))) {
      const Place place = policy_.place_of(piece);
      map_.drop_free(piece);
      policy_.erase(piece, place);
    }
    map_.make_free(split.from);
    policy_.restore(split.from, mark);
  }

  void grow(Block right, Place place, Size more) noexcept {
    const Block rest = this->without_front(right, more);
    map_.drop_free(right);
    policy_.erase(right, place);
    add_pieces(rest);
    bytes_.scrub(right.start);
  }
  [[nodiscard]] static constexpr bool may_stand(Offset start, Size extent) noexcept {
    return start % extent == 0;
  }

  // Frees a live block. Returns false, and changes nothing, if the node of a buddy that it merges
  // with is unsound. Calls begin(range) before the first change, with the range that may change.
  template <Shape shape = Shape::any, typename Begin>
  bool release(Block block, Begin begin) noexcept {
    if (block != first_piece(block)) return release_in_pieces(block, begin);
    Climb climb;
    if (!vet_climb<shape>(block, climb)) return false;
    begin(climb.whole);
    coalesce<shape>(block, climb);
    return true;
  }
  template <Shape shape, typename Begin>
  bool release_near(const BlockMap::Vicinity& around, Begin begin) noexcept {
    return release<shape>(around.block(), begin);
  }
  // Returns true if release() would free the block; otherwise sets `fault`.
  [[nodiscard]] bool may_release(Block block, Fault& fault) const noexcept {
    if (block != first_piece(block))
      return this->every_free(whole_of(enclosing(block)),
                              [&](Block free) { return this->check(free, fault); });
    const Block whole = whole_of(block);
    for (Size extent = block.extent; extent < whole.extent; extent *= 2) {
      if (!this->check(buddy_at(block.start, extent), fault)) return false;
    }
    return true;
  }
  // Blocks that are freed together may form a block that none of them would alone, and so coalesce
  // with any free block.
  [[nodiscard]] bool may_release_many(Fault& fault) const noexcept {
    return this->every_free([&](Block free) { return this->check(free, fault); });
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
  [[gnu::noinline]] void insert_piece(Block piece) noexcept {
    map_.make_free(piece);
    this->insert(piece);
  }
  // Adds the pieces of a span behind a block that ends there, in which no block starts.
  void add_pieces(Block span) noexcept {
    visit_pieces(span, [this](Block piece) {
      map_.add_free(piece);
      this->insert(piece);
    });
  }

  // The buddy of the block of this extent that contains `at`.
  [[nodiscard]] static Block buddy_at(Offset at, Size extent) noexcept {
    return {(at & ~(extent - 1)) ^ extent, extent};
  }
  // The way up from a piece that becomes free: what it coalesces to, and the places of the buddies
  // that it meets, the smallest first.
  // Not cleared: few of the places are used. NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
  struct Climb {
    Block whole;
    std::array<Place, 64> places;
  };
  // Returns true if these buddies are sound. Sets `climb`, up to the first that is not.
  template <Shape shape = Shape::any>
  [[nodiscard]] bool vet_climb(Block piece, Climb& climb) const noexcept {
    bool sound = true;
    Size extent = piece.extent;
    for (Place* place = climb.places.data(); sound; ++place) {
      const Block buddy = buddy_at(piece.start, extent);
      if (!may_be_free(buddy)) break;
      if (!is_plainly_free<shape>(buddy, *place)) {
        if (!map_.is_free(buddy)) break;
        sound = this->template vet_below_top<shape>(buddy, *place);
      }
      if (sound) extent *= 2;
    }
    climb.whole = {piece.start & ~(extent - 1), extent};
    return sound;
  }
  [[nodiscard]] bool may_be_free(Block buddy) const noexcept {
    return buddy.end() <= map_.region_size() && map_.free_at(buddy.start);
  }
  // Returns true if the node of a buddy is sound, and its place has its extent, and sets the place:
  // then no query to the map tells whether it is whole.
  template <Shape shape>
  [[nodiscard]] bool is_plainly_free(Block buddy, Place& place) const noexcept {
    return checking && bytes_.template offers<shape>(buddy) && policy_.vet(buddy, place) &&
           policy_.has_extent(place);
  }
  // What a piece that becomes free coalesces to.
  [[nodiscard]] Block whole_of(Block piece) const noexcept {
    Size extent = piece.extent;
    while (map_.is_free(buddy_at(piece.start, extent))) extent *= 2;
    return {piece.start & ~(extent - 1), extent};
  }
  // The block, which is live, coalesces with the buddies on its way up, which are sound.
  template <Shape shape = Shape::any>
  void coalesce(Block block, const Climb& climb) noexcept {
    const Block whole = climb.whole;
    if (block == whole) {
      map_.make_free(whole);
    } else {
      map_.merge(block, whole);
    }
    const Place* place = climb.places.data();
    for (Size extent = block.extent; extent < whole.extent; extent *= 2) {
      policy_.erase(buddy_at(block.start, extent), *place++);
      // The right one of the two.
      this->template retire<shape>({(block.start & ~(extent - 1)) | extent, extent});
    }
    this->template insert<shape>(whole);
  }
  // By value and out of line, as in space.hpp.
  [[gnu::noinline]] void apply_gap(Split split, Place place) noexcept {
    map_.make_live(split.from);
    policy_.erase(split.from, place);
    map_.add_live(split.taken);
    for_pieces(split.gap, [this](Block piece) { insert_piece(piece); });
    add_pieces(split.rest);
  }

  // All free blocks within the enclosing block are vetted: which of them a piece coalesces with
  // depends on the other pieces.
  template <typename Begin>
  [[gnu::noinline]] bool release_in_pieces(Block block, Begin begin) noexcept {
    const Block around = whole_of(enclosing(block));
    Place place;
    if (checking && !this->every_free(around, [&](Block free) { return this->vet(free, place); }))
      return false;
    begin(this->with_free_around(block));
    for_pieces(block, [this](Block piece) {
      Climb climb;
      static_cast<void>(vet_climb(piece, climb));
      coalesce(piece, climb);
    });
    return true;
  }
};

}  // namespace glassheap
