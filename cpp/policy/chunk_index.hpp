// chunk_index.hpp: the lowest free block of at least a given size, without walking a list.
//
// Problem. First fit wants the lowest address among the blocks that are large enough. A list in
// address order has to be walked past every block that is too small, and there can be hundreds of
// thousands of those.
//
// Structure. The region in chunks of 64 granules (1 KiB), one word of the block map each. For each
// chunk the index keeps the extent of the largest free block that starts in it, and above these
// numbers a pyramid of maxima. A search goes down to the lowest chunk that can serve the request;
// there it measures the free blocks by the chunk's two words of the map. Only the last block of a
// chunk can reach out of it.
//
//     maxima    | 0 3 9 1 0 .. | 0 40 0 0 2 .. | ...         one number a chunk
//     free      | 0010 0001 .. | ...                         one word a chunk
//     starts    | 1011 0101 .. | ...                         one word a chunk
//                     ^--^ the distance to the next start is the extent: 3 granules
//
// Invariant. A number is the largest extent, in granules, of the free blocks that start in its
// chunk, without the top; an extent above 2^31 - 1 granules counts as that. So a number changes, and
// those above it, only when the largest extent of its chunk does.
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
  void remove(Block block) noexcept {
    const std::size_t chunk = BlockMap::chunk_of(block.start);
    if (granules(block.extent) == maxima_[chunk]) lower(chunk);
  }
  void replace(Block old, Block now) noexcept {
    const bool same = BlockMap::chunk_of(old.start) == BlockMap::chunk_of(now.start);
    if (!same || now.extent < old.extent) remove(old);
    if (!same || now.extent > old.extent) add(now);
  }

  // The lowest free block other than the top that has at least `extent` bytes; no block if there is
  // none.
  [[nodiscard, gnu::noinline]] Block first(Size extent) const noexcept {
    const std::size_t chunk = maxima_.first(granules(extent));
    if (chunk >= maxima_.count()) return {};
    const Block block = first_of(chunk, map_.free_word(chunk), extent);
    return block ? block : first_behind(chunk, extent);
  }
  // The same among those that start at `from` or above, a granule.
  [[nodiscard, gnu::noinline]] Block first_from(Offset from, Size extent) const noexcept {
    if (from >= map_.region_size()) return {};
    const std::size_t chunk = BlockMap::chunk_of(from);
    const Block block = first_of(chunk, map_.free_word_from(from), extent);
    return block ? block : first_behind(chunk, extent);
  }

  // The extent of the largest free block other than the top; 0 if there is none.
  [[nodiscard]] Size largest() const noexcept {
    const Number most = maxima_.all();
    if (most == max_granules) return largest_of_large();
    return std::min(static_cast<Size>(std::max(most, Number{0})) * granule_size,
                    map_.region_size());
  }

 private:
  using Number = MaxSummary::Number;
  using Word = Bitmap::Word;
  static constexpr Number max_granules = std::numeric_limits<Number>::max();

  [[nodiscard]] static constexpr Number granules(Size extent) noexcept {
    return static_cast<Number>(std::min(extent / granule_size, Size{max_granules}));
  }

  // The lowest in the chunks above `chunk`.
  [[nodiscard, gnu::noinline]] Block first_behind(std::size_t chunk, Size extent) const noexcept {
    const Number least = granules(extent);
    for (;;) {
      chunk = maxima_.next(chunk + 1, least);
      if (chunk >= maxima_.count()) return {};
      if (const Block block = first_of(chunk, map_.free_word(chunk), extent)) return block;
    }
  }
  // The lowest of the free blocks `bits` of a chunk.
  [[nodiscard]] Block first_of(std::size_t chunk, Word bits, Size extent) const noexcept {
    const Word starts = map_.starts_word(chunk);
    for (; bits != 0; bits &= bits - 1) {
      if (reaches_out(starts, bits)) return large_enough(map_.block_of_bit(chunk, bits), extent);
      const Size here = granules_between(starts, bits) * granule_size;
      if (here >= extent) return map_.confined({BlockMap::offset_of_bit(chunk, bits), here});
    }
    return {};
  }
  [[nodiscard]] Block large_enough(Block block, Size extent) const noexcept {
    return block.extent >= extent ? map_.confined(block) : Block{};
  }

  // The block of the lowest of `bits`: whether the next start is in another chunk; or else, how far
  // off that is.
  [[nodiscard]] static Word behind(Word starts, Word bits) noexcept {
    return starts & ~(bits ^ (bits - 1));
  }
  [[nodiscard]] static bool reaches_out(Word starts, Word bits) noexcept {
    return behind(starts, bits) == 0;
  }
  [[nodiscard]] static Size granules_between(Word starts, Word bits) noexcept {
    return static_cast<Size>(std::countr_zero(behind(starts, bits)) - std::countr_zero(bits));
  }

  // Sets the number of a chunk whose largest block is gone, or smaller.
  [[gnu::noinline]] void lower(std::size_t chunk) noexcept {
    maxima_.set(chunk, largest_in(chunk));
  }
  [[nodiscard]] Number largest_in(std::size_t chunk) const noexcept {
    const Word starts = map_.starts_word(chunk);
    Size largest = 0;
    for (Word bits = map_.free_word(chunk); bits != 0; bits &= bits - 1) {
      if (reaches_out(starts, bits))
        return std::max(granules(largest * granule_size),
                        granules(map_.block_of_bit(chunk, bits).extent));
      largest = std::max(largest, granules_between(starts, bits));
    }
    return granules(largest * granule_size);
  }
  // The largest of the blocks that the numbers do not tell apart: each is the last of its chunk.
  [[gnu::cold, nodiscard]] Size largest_of_large() const noexcept {
    Size largest = 0;
    for (std::size_t chunk = maxima_.first(max_granules); chunk < maxima_.count();
         chunk = maxima_.next(chunk + 1, max_granules)) {
      if (map_.free_word(chunk) != 0) largest = std::max(largest, map_.last_free_in(chunk).extent);
    }
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
