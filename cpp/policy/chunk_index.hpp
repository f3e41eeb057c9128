// chunk_index.hpp: the lowest free block of at least a given size, without walking a list.
//
// Problem. First fit wants the lowest address among the blocks that are large enough. A list in
// address order has to be walked past every block that is too small, and there can be hundreds of
// thousands of those.
//
// Structure. The region in leaves of 16 granules (256 bytes). For each leaf the index keeps the
// extent, in granules, of the largest free block that starts in it, as one byte, and above these
// bytes a pyramid of maxima: 64 to a cache line, so two levels of it span 1 MiB, three 64 MiB. A
// search goes down to the lowest leaf that can serve the request; there it measures the free blocks,
// mostly one, by the block map.
//
//     bytes     | 3 0 0 255 7 .. | 0 40 0 0 2 .. | ...       one a leaf
//     free      | 0100000000000000 0000000000000000 .. |     16 bits of the map a leaf
//     starts    | 0100100000000100 0000001000000000 .. |
//                  ^--^ the distance to the next start is the extent: 3 granules
//
// A byte tells extents up to 254 granules apart, and 255 stands for all larger ones. Blocks of 255
// granules or more (4 KiB) are in a second pyramid as well, with numbers of four bytes, one for each
// chunk of 64 granules: such a block is the last that starts in its chunk. A request of so many
// granules is searched for there, so it passes no block that is too small.
//
// Invariant. A byte is the largest extent of the free blocks that start in its leaf, or 255 if that
// is larger; a number is the extent of the large block that starts in its chunk, or 2^31 - 1 if that
// is larger, and 0 if there is none; the top is in neither. So a byte changes, and those above it,
// only when the largest extent of its leaf does.
// Cost. O(log n) a call; 1 byte a leaf, 4 bytes a chunk, and the levels above: 0.81 % of the region.
#pragma once

#include "block/block_map.hpp"
#include "policy/address_list.hpp"
#include "policy/maxima.hpp"
#include "policy/pyramid.hpp"

namespace glassheap {

class ChunkIndex {
 public:
  // An empty index. Throws std::bad_alloc if and only if there is no memory for it.
  explicit ChunkIndex(const BlockMap& map)
      : map_(map),
        leaves_(leaf_of(map.region_size() - granule_size) + 1, map.arena()),
        large_(map.chunks(), map.arena()) {}

  void clear() noexcept {
    leaves_.clear();
    large_.clear();
  }
  template <typename Visit>
  void visit_state(Visit /*visit*/) noexcept {}
  [[nodiscard]] static bool confine_state() noexcept { return true; }
  [[nodiscard]] Size own_memory() const noexcept {
    return leaves_.own_memory() + large_.own_memory();
  }

  // A free block, not the top. The map already has the one to add, no longer the one to remove.
  void add(Block block) noexcept {
    raise_leaf(block);
    if (is_large(block.extent)) [[unlikely]]
      replace_large({}, block);
  }
  void remove(Block block) noexcept {
    lower_leaf(block);
    if (is_large(block.extent)) [[unlikely]]
      replace_large(block, {});
  }
  void replace(Block old, Block now) noexcept {
    const bool same = leaf_of(old.start) == leaf_of(now.start);
    if (!same || now.extent < old.extent) lower_leaf(old);
    if (!same || now.extent > old.extent) raise_leaf(now);
    if (is_large(std::max(old.extent, now.extent))) [[unlikely]]
      replace_large(old, now);
  }

  // The lowest free block other than the top that has at least `extent` bytes; no block if there is
  // none.
  [[nodiscard, gnu::noinline]] Block first(Size extent) const noexcept {
    if (is_large(extent)) return first_large(0, extent);
    const std::size_t leaf = leaves_.first(byte(extent));
    if (leaf >= leaves_.count()) return {};
    const Block block = first_of(leaf, bits_of(leaf), extent);
    return block ? block : first_behind(leaf, extent);
  }
  // The same among those that start at `from` or above, a granule.
  [[nodiscard, gnu::noinline]] Block first_from(Offset from, Size extent) const noexcept {
    if (from >= map_.region_size()) return {};
    if (is_large(extent)) return first_large(from, extent);
    const std::size_t leaf = leaf_of(from);
    const Bits lower = ~(~Bits{0} << from / granule_size % leaf_granules);
    const Block block = first_of(leaf, bits_of(leaf) & ~lower, extent);
    return block ? block : first_behind(leaf, extent);
  }

  // The extent of the largest free block other than the top; 0 if there is none.
  [[nodiscard]] Size largest() const noexcept {
    const Byte most = leaves_.all();
    return most == most_granules ? largest_of_large() : most * granule_size;
  }

 private:
  using Byte = ByteMaxima::Number;
  using Number = WordMaxima::Number;
  using Bits = unsigned;  // a bit for each granule of a leaf

  static constexpr std::size_t leaf_granules = 16;
  static constexpr std::size_t leaves_a_chunk = 4;
  static constexpr Byte most_granules = std::numeric_limits<Byte>::max();
  static constexpr Number most_of_large = std::numeric_limits<Number>::max();

  [[nodiscard]] static constexpr std::size_t leaf_of(Offset at) noexcept {
    return static_cast<std::size_t>(at / (leaf_granules * granule_size));
  }
  [[nodiscard]] static constexpr bool is_large(Size extent) noexcept {
    return extent >= most_granules * granule_size;
  }
  [[nodiscard]] static constexpr Byte byte(Size extent) noexcept {
    return static_cast<Byte>(std::min(extent / granule_size, Size{most_granules}));
  }
  [[nodiscard]] static constexpr Number number(Size extent) noexcept {
    return static_cast<Number>(std::min(extent / granule_size, Size{most_of_large}));
  }

  // The granules of a leaf at which free blocks start, other than the top.
  [[nodiscard]] Bits bits_of(std::size_t leaf) const noexcept {
    const Bitmap::Word chunk = map_.free_word(leaf / leaves_a_chunk);
    return static_cast<std::uint16_t>(chunk >> leaf % leaves_a_chunk * leaf_granules);
  }
  // The block of the lowest of `bits`, some of these.
  [[nodiscard]] Block block_of(std::size_t leaf, Bits bits) const noexcept {
    const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
    return map_.block_at((leaf * leaf_granules + bit) * granule_size);
  }
  // The lowest of them that is large enough.
  [[nodiscard]] Block first_of(std::size_t leaf, Bits bits, Size extent) const noexcept {
    for (; bits != 0; bits &= bits - 1) {
      const Block block = block_of(leaf, bits);
      if (block.extent >= extent) return map_.confined(block);
    }
    return {};
  }
  [[nodiscard]] Byte largest_in(std::size_t leaf) const noexcept {
    Size largest = 0;
    for (Bits bits = bits_of(leaf); bits != 0; bits &= bits - 1)
      largest = std::max(largest, block_of(leaf, bits).extent);
    return byte(largest);
  }
  // A free block is new in its leaf; or is gone, and so is its bit in the map.
  void raise_leaf(Block block) noexcept {
    leaves_.include(leaf_of(block.start), byte(block.extent));
  }
  void lower_leaf(Block block) noexcept {
    const std::size_t leaf = leaf_of(block.start);
    if (byte(block.extent) == leaves_[leaf]) leaves_.set(leaf, largest_in(leaf));
  }
  // The lowest in the leaves above `leaf`; not a large one.
  [[nodiscard, gnu::noinline]] Block first_behind(std::size_t leaf, Size extent) const noexcept {
    for (;;) {
      leaf = leaves_.next(leaf + 1, byte(extent));
      if (leaf >= leaves_.count()) return {};
      if (const Block block = first_of(leaf, bits_of(leaf), extent)) return block;
    }
  }

  // Either may be no block, or a small one.
  [[gnu::noinline]] void replace_large(Block old, Block now) noexcept {
    const std::size_t chunk = BlockMap::chunk_of(now.start);
    const bool stays = is_large(now.extent) && BlockMap::chunk_of(old.start) == chunk;
    if (is_large(old.extent) && !stays) large_.set(BlockMap::chunk_of(old.start), 0);
    if (!is_large(now.extent)) return;
    if (number(now.extent) < large_[chunk]) {
      large_.set(chunk, number(now.extent));
    } else {
      large_.include(chunk, number(now.extent));
    }
  }
  // The large block of a chunk, or no block if that is overwritten.
  [[nodiscard]] Block large_of(std::size_t chunk) const noexcept {
    return map_.free_word(chunk) != 0 ? map_.last_free_in(chunk) : Block{};
  }
  [[nodiscard, gnu::noinline]] Block first_large(Offset from, Size extent) const noexcept {
    std::size_t chunk = BlockMap::chunk_of(from);
    for (;; ++chunk) {
      chunk = large_.next(chunk, number(extent));
      if (chunk >= large_.count()) return {};
      const Block block = large_of(chunk);
      if (block.start >= from && block.extent >= extent) return block;
    }
  }
  // The numbers do not tell the largest ones apart, of which the largest region has room for two.
  [[gnu::noinline, nodiscard]] Size largest_of_large() const noexcept {
    const Number most = large_.all();
    Size largest = 0;
    for (std::size_t chunk = large_.first(most); chunk < large_.count();
         chunk = large_.next(chunk + 1, most)) {
      largest = std::max(largest, large_of(chunk).extent);
      if (most < most_of_large) break;
    }
    return largest;
  }

  const BlockMap& map_;
  Pyramid<ByteMaxima> leaves_;
  Pyramid<WordMaxima> large_;
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
