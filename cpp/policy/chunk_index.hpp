// chunk_index.hpp: the lowest free block of at least a given size, without walking a list.
//
// Problem. First fit wants the lowest address among the blocks that are large enough. A list in
// address order has to be walked past every block that is too small, and there can be hundreds of
// thousands of those.
//
// Structure. The region in leaves of 16 granules (256 bytes), a quarter of a row of the block map
// each. For each leaf the index keeps a number for the extent of the largest free block that starts
// in it, and above these a pyramid of maxima. A search goes down to the lowest leaf that can serve
// the request. Mostly one free block starts there; where it ends, the map tells.
//
//     numbers   | 3   | 0 | 9   | 0   | 40 | 2    ...    one number a leaf
//     free      | 010 | 0 | 100 | 000 | 1  | 01   ...    16 bits a leaf
//     starts    | 110 | 1 | 101 | 010 | 1  | 11   ...    16 bits a leaf
//                   ^----^ the distance to the next start is the extent: 3 granules
//
// A number has 15 bits. Below 2^14 granules it is the extent in granules, and above it has 512 steps
// a doubling. So it never falls as the extent grows; and a search for a block of 256 KiB or more may
// find one of the same step that is too small, and goes on.
//
// Invariant. A number is that of the largest of the free blocks that start in its leaf, without the
// top. So a number changes, and those above it, only when the largest extent of its leaf does.
// Cost. O(log n) a call; 2 bytes a leaf and 1/31 of that: 0.81 % of the region.
#pragma once

#include "block/block_map.hpp"
#include "policy/address_list.hpp"
#include "policy/pyramid.hpp"

namespace glassheap {

class ChunkIndex {
 public:
  // An empty index. Throws std::bad_alloc if and only if there is no memory for it.
  explicit ChunkIndex(const BlockMap& map)
      : map_(map), maxima_(leaf_of(map.region_size() - granule_size) + 1, map.arena()) {}

  void clear() noexcept { maxima_.clear(); }
  template <typename Visit>
  void visit_state(Visit /*visit*/) noexcept {}
  [[nodiscard]] static bool confine_state() noexcept { return true; }
  [[nodiscard]] Size own_memory() const noexcept { return maxima_.own_memory(); }

  // A free block, not the top. The map already has the one to add, no longer the one to remove.
  void add(Block block) noexcept { maxima_.raise(leaf_of(block.start), number_of(block.extent)); }
  void remove(Block block) noexcept {
    const std::size_t leaf = leaf_of(block.start);
    if (number_of(block.extent) == maxima_[leaf]) maxima_.lower(leaf, largest_in(leaf));
  }
  // Adds first: so most numbers above the leaves change once at most.
  void replace(Block old, Block now) noexcept {
    add(now);
    if (now.extent < old.extent || leaf_of(old.start) != leaf_of(now.start)) remove(old);
  }

  // The lowest free block other than the top that has at least `extent` bytes; no block if there is
  // none.
  [[nodiscard]] Block first(Size extent) const noexcept {
    return number_of(extent) <= maxima_.all() ? search(extent) : Block{};
  }
  // The same among those that start at `from` or above, a granule.
  [[nodiscard, gnu::noinline]] Block first_from(Offset from, Size extent) const noexcept {
    if (from >= map_.region_size()) return {};
    const std::size_t leaf = leaf_of(from);
    const Word here = free_in(leaf) & ~Word{0} << from / granule_size % 64;
    const Block block = first_of(leaf, here, extent);
    return block ? block : first_behind(leaf, extent);
  }

  // The extent of the largest free block other than the top; 0 if there is none.
  [[nodiscard]] Size largest() const noexcept {
    const Number most = maxima_.all();
    if (most >= exact) return largest_of(most);
    return std::min(static_cast<Size>(std::max(most, Number{0})) * granule_size,
                    map_.region_size());
  }

 private:
  using Number = Pyramid::Number;
  using Word = Bitmap::Word;
  static constexpr Size leaf_bytes = 16 * granule_size;
  static constexpr std::size_t leaves_of_chunk = 4;
  static constexpr int exact_bits = 14;
  static constexpr int step_bits = 9;
  static constexpr Number exact = 1 << exact_bits;  // numbers below are granules

  [[nodiscard]] static constexpr std::size_t leaf_of(Offset at) noexcept { return at / leaf_bytes; }
  [[nodiscard]] static constexpr Number number_of(Size extent) noexcept {
    const Size granules = extent / granule_size;
    return granules < exact ? static_cast<Number>(granules) : number_of_large(granules);
  }
  [[nodiscard]] static constexpr Number number_of_large(Size granules) noexcept {
    const int doubling = static_cast<int>(std::bit_width(granules)) - 1 - exact_bits;
    const Size step = (granules >> (doubling + exact_bits - step_bits)) - (Size{1} << step_bits);
    return static_cast<Number>(exact + (doubling << step_bits) + static_cast<int>(step));
  }

  // A bit for each free block of a leaf, in the word of its chunk; and the lowest of such blocks.
  [[nodiscard]] Word free_in(std::size_t leaf) const noexcept {
    return map_.free_word(leaf / leaves_of_chunk) & Word{0xFFFF} << leaf % leaves_of_chunk * 16;
  }
  [[nodiscard]] Block lowest_of(std::size_t leaf, Word bits) const noexcept {
    return map_.block_of_bit(leaf / leaves_of_chunk, bits);
  }

  [[nodiscard, gnu::noinline]] Block search(Size extent) const noexcept {
    const std::size_t leaf = maxima_.first(number_of(extent));
    if (leaf >= maxima_.count()) return {};
    const Block block = first_of(leaf, free_in(leaf), extent);
    return block ? block : first_behind(leaf, extent);
  }
  // The lowest in the leaves above `leaf`.
  [[nodiscard, gnu::noinline]] Block first_behind(std::size_t leaf, Size extent) const noexcept {
    const Number least = number_of(extent);
    for (;;) {
      leaf = maxima_.next(leaf + 1, least);
      if (leaf >= maxima_.count()) return {};
      if (const Block block = first_of(leaf, free_in(leaf), extent)) return block;
    }
  }
  // The lowest of the free blocks `bits` of a leaf.
  [[nodiscard]] Block first_of(std::size_t leaf, Word bits, Size extent) const noexcept {
    for (; bits != 0; bits &= bits - 1) {
      const Block block = lowest_of(leaf, bits);
      if (block.extent >= extent) return map_.confined(block);
    }
    return {};
  }
  // The number of a leaf. Mostly none of its free blocks is left.
  [[nodiscard]] Number largest_in(std::size_t leaf) const noexcept {
    const Word bits = free_in(leaf);
    return bits == 0 ? Number{0} : number_of(largest_of(leaf, bits));
  }
  [[nodiscard]] Size largest_of(std::size_t leaf, Word bits) const noexcept {
    Size largest = 0;
    for (; bits != 0; bits &= bits - 1)
      largest = std::max(largest, map_.confined(lowest_of(leaf, bits)).extent);
    return largest;
  }
  // The largest extent of the blocks with this number, which does not tell them apart.
  [[gnu::cold, nodiscard]] Size largest_of(Number number) const noexcept {
    Size largest = 0;
    for (std::size_t leaf = maxima_.first(number); leaf < maxima_.count();
         leaf = maxima_.next(leaf + 1, number))
      largest = std::max(largest, largest_of(leaf, free_in(leaf)));
    return largest;
  }

  const BlockMap& map_;
  Pyramid maxima_;
};

// The search by address, for first fit and next fit.
template <typename Self>
class AddressFit : public AddressList<Self, ChunkIndex> {
 public:
  using AddressList<Self, ChunkIndex>::AddressList;

 protected:
  // The lowest free block from `from` upwards that can serve the request; no block if there is
  // none. A block may be large enough and still have no room for the aligned payload.
  [[nodiscard]] Block lowest(Offset from, const Request& request) const noexcept {
    Block block = from == 0 ? this->index_.first(request.extent)
                            : this->index_.first_from(from, request.extent);
    while (block) {
      if (this->serves(block, request)) return block;
      block = this->index_.first_from(block.start + granule_size, request.extent);
    }
    return this->serves(this->map_.top(), request) ? this->map_.top() : Block{};
  }
};

}  // namespace glassheap
