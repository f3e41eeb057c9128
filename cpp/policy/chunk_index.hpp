// chunk_index.hpp: the lowest free block of at least a given size, without walking a list.
//
// Problem. First fit wants the lowest address among the blocks that are large enough. A list in
// address order has to be walked past every block that is too small, and there can be hundreds of
// thousands of those.
//
// Structure. The region in chunks of 64 granules (1 KiB), one word of the block map each. For each
// chunk the index keeps the extent of the largest free block that starts in it, and above these
// numbers a pyramid of maxima. A search goes down to the lowest chunk that can serve the request;
// there it tests a few bits of the map.
//
//     maxima    | 0 3 9 1 0 .. | 0 40 0 0 2 .. | ...         one number a chunk of 1 KiB
//     map       | 0110 | ...                                 one word a chunk
//
// Invariant. A number is the largest extent, in granules, of the free blocks that start in its
// chunk, without the top; an extent above 2^31 - 1 granules counts as that.
// Cost. O(log n) a call; 4 bytes a chunk and 1/15 of that: 0.42 % of the region.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "block/block_map.hpp"
#include "policy/address_list.hpp"
#include "policy/pyramid.hpp"

namespace glassheap {

// Summary: the larger of two extents, in granules. Query: at least so many. Signed, because SSE2
// compares signed numbers.
struct MaxSummary {
  using Number = std::int32_t;
  [[nodiscard]] static Number combine(Number a, Number b) noexcept { return a > b ? a : b; }
  [[nodiscard]] static bool depends_on(Number sum, Number number) noexcept { return sum == number; }

  [[nodiscard]] static Number of(const Number* group) noexcept {
#ifdef __SSE2__
    const auto* const four = reinterpret_cast<const __m128i*>(group);
    const __m128i low = larger(_mm_load_si128(four), _mm_load_si128(four + 1));
    const __m128i high = larger(_mm_load_si128(four + 2), _mm_load_si128(four + 3));
    __m128i most = larger(low, high);
    most = larger(most, _mm_shuffle_epi32(most, _MM_SHUFFLE(1, 0, 3, 2)));
    return _mm_cvtsi128_si32(larger(most, _mm_shuffle_epi32(most, _MM_SHUFFLE(2, 3, 0, 1))));
#else
    return *std::max_element(group, group + 16);
#endif
  }

  [[nodiscard]] static unsigned matching(const Number* group, Number least) noexcept {
#ifdef __SSE2__
    const auto* const four = reinterpret_cast<const __m128i*>(group);
    const __m128i bound = _mm_set1_epi32(least - 1);
    const auto above = [&](int i) { return _mm_cmpgt_epi32(_mm_load_si128(four + i), bound); };
    const __m128i low = _mm_packs_epi32(above(0), above(1));
    const __m128i high = _mm_packs_epi32(above(2), above(3));
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < 16; ++i) bits |= (group[i] >= least ? 1U : 0U) << i;
    return bits;
#endif
  }

#ifdef __SSE2__
 private:
  [[nodiscard]] static __m128i larger(__m128i a, __m128i b) noexcept {
    const __m128i is_a = _mm_cmpgt_epi32(a, b);
    return _mm_or_si128(_mm_and_si128(is_a, a), _mm_andnot_si128(is_a, b));
  }
#endif
};

class ChunkIndex {
 public:
  // An empty index. Throws std::bad_alloc if and only if there is no memory for it.
  explicit ChunkIndex(const BlockMap& map) : map_(map), maxima_(map.chunks(), map.arena()) {}

  void clear() noexcept { maxima_.clear(); }
  template <typename Visit>
  void visit_state(Visit /*visit*/) noexcept {}
  [[nodiscard]] static bool confine_state() noexcept { return true; }
  [[nodiscard]] Size own_memory() const noexcept { return maxima_.own_memory(); }

  // A free block, not the top. The map already has the one to add, no longer the one to remove.
  void add(Block block) noexcept {
    maxima_.include(BlockMap::chunk_of(block.start), granules(block.extent));
  }
  [[gnu::noinline]] void remove(Block block) noexcept {
    const std::size_t chunk = BlockMap::chunk_of(block.start);
    if (granules(block.extent) == maxima_[chunk]) maxima_.set(chunk, largest_in(chunk));
  }

  void replace(Block old, Block now) noexcept {
    const bool same = BlockMap::chunk_of(old.start) == BlockMap::chunk_of(now.start);
    if (!same || now.extent < old.extent) remove(old);
    add(now);
  }

  // The lowest free block other than the top that starts at `from` or above and has at least
  // `extent` bytes; no block if there is none.
  [[nodiscard, gnu::noinline]] Block first(Offset from, Size extent) const noexcept {
    if (from == 0) return first_from_chunk(maxima_.first(granules(extent)), extent);
    if (from >= map_.region_size()) return {};
    const std::size_t here = BlockMap::chunk_of(from);
    if (const Block block = first_in(here, from, extent)) return block;
    return first_from_chunk(maxima_.next(here + 1, granules(extent)), extent);
  }

  // The extent of the largest free block other than the top; 0 if there is none.
  [[nodiscard]] Size largest() const noexcept {
    const Number most = maxima_.all();
    if (most == max_granules) return largest_by_walking();
    return std::min(static_cast<Size>(most) * granule_size, map_.region_size());
  }

 private:
  using Number = MaxSummary::Number;
  static constexpr Number max_granules = std::numeric_limits<Number>::max();

  [[nodiscard]] static constexpr Number granules(Size extent) noexcept {
    return static_cast<Number>(std::min(extent / granule_size, Size{max_granules}));
  }

  // The lowest from `chunk` upwards; `chunk` is large enough according to its number, or none.
  [[nodiscard]] Block first_from_chunk(std::size_t chunk, Size extent) const noexcept {
    for (; chunk < maxima_.count(); chunk = maxima_.next(chunk + 1, granules(extent))) {
      if (const Block block = first_in(chunk, 0, extent)) return block;
    }
    return {};
  }
  // The lowest that starts in `chunk`, at `from` or above.
  [[nodiscard]] Block first_in(std::size_t chunk, Offset from, Size extent) const noexcept {
    for (auto bits = map_.free_word(chunk); bits != 0; bits &= bits - 1) {
      const Block block = map_.block_of_bit(chunk, bits);
      if (block.extent >= extent && block.start >= from) return map_.confined(block);
    }
    return {};
  }
  [[nodiscard]] Number largest_in(std::size_t chunk) const noexcept {
    Number largest = 0;
    for (auto bits = map_.free_word(chunk); bits != 0; bits &= bits - 1)
      largest = std::max(largest, granules(map_.block_of_bit(chunk, bits).extent));
    return largest;
  }
  // Among the blocks whose numbers say only that they are very large: there cannot be many.
  [[gnu::cold, nodiscard]] Size largest_by_walking() const noexcept {
    Size largest = 0;
    constexpr Size least = Size{max_granules} * granule_size;
    for (Block block = first(0, least); block; block = first(block.start + granule_size, least))
      largest = std::max(largest, block.extent);
    return largest;
  }

  const BlockMap& map_;
  Pyramid<MaxSummary> maxima_;
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
    while (const Block block = this->index_.first(from, request.extent)) {
      if (this->serves(block, request)) return block;
      from = block.start + granule_size;
    }
    return this->serves(this->map_.top(), request) ? this->map_.top() : Block{};
  }
};

}  // namespace glassheap
