// exact_sizes.hpp: for each small size, the lowest free block of exactly that size.
//
// Problem. Best fit wants the smallest block that is large enough, and the lowest of equals.
//
// Structure. The extent of a free block of fewer than 64 granules (1 KiB) is a number from 1 to 63:
// a bit in a word. For each pair of chunks of the region, two words of the block map (2 KiB), there
// is one word with the extents of its free blocks, and above these words a pyramid of unions. The
// bits of its root are the extents that exist at all; the way down along one bit leads to the
// lowest pair that has it.
//
//     root      | .1..11.1 |                     some free blocks have 1, 4, 5, 7 granules
//     sizes     | .1...... | ....11.. | ...      one word a pair of chunks
//     map       | 0110 | 0 | ...                 two words a pair of chunks
//
// Invariant. A bit is set if and only if a free block of that extent starts in its pair of chunks,
// the top not counted.
// Cost. O(log n) a call; 8 bytes a pair and 1/15 of that: 0.42 % of the region.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "block/block_map.hpp"
#include "policy/pyramid.hpp"

namespace glassheap {

// Summary: all bits of two words. Query: one bit, by its number.
struct OrSummary {
  using Number = std::uint64_t;
  [[nodiscard]] static Number combine(Number a, Number b) noexcept { return a | b; }
  [[nodiscard]] static bool depends_on(Number /*sum*/, Number /*number*/) noexcept { return true; }
  [[nodiscard]] static Number of(const Number* group) noexcept {
    Number all = 0;
    for (unsigned i = 0; i < 16; ++i) all |= group[i];
    return all;
  }

  [[nodiscard]] static unsigned matching(const Number* group, unsigned bit) noexcept {
    unsigned bits = 0;
#ifdef __SSE2__
    const auto* const two = reinterpret_cast<const __m128i*>(group);
    const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(63 - bit));  // bit to sign
    for (unsigned i = 0; i < 8; ++i) {
      const __m128i signs = _mm_sll_epi64(_mm_load_si128(two + i), shift);
      bits |= static_cast<unsigned>(_mm_movemask_pd(_mm_castsi128_pd(signs))) << (2 * i);
    }
#else
    for (unsigned i = 0; i < 16; ++i) bits |= static_cast<unsigned>(group[i] >> bit & 1) << i;
#endif
    return bits;
  }
};

class ExactSizes {
 public:
  // Only extents below this, in bytes, are kept here.
  static constexpr Size limit = 64 * granule_size;

  // Empty. Throws std::bad_alloc if and only if there is no memory for it.
  explicit ExactSizes(const BlockMap& map)
      : map_(map), sizes_((map.chunks() + 1) / 2, map.arena()) {}

  void clear() noexcept { sizes_.clear(); }
  [[nodiscard]] Size own_memory() const noexcept { return sizes_.own_memory(); }

  // A free block below the limit, not the top. The map already has the one to add, no longer the
  // one to remove.
  [[gnu::noinline]] void add(Block block) noexcept {
    sizes_.include(pair_of(block.start), bit(block.extent));
  }
  [[gnu::noinline]] void remove(Block block) noexcept {
    const std::size_t pair = pair_of(block.start);
    if (!first_in(pair, 0, block.extent)) sizes_.set(pair, sizes_[pair] & ~bit(block.extent));
  }

  // The smallest existing extent of at least `extent` bytes, the largest existing one, and the
  // largest existing one below `extent`; 0 if there is none.
  [[nodiscard]] Size smallest(Size extent) const noexcept {
    if (extent >= limit) return 0;
    const std::uint64_t enough = sizes_.all() & ~(bit(extent) - 1);
    return enough == 0 ? 0 : static_cast<Size>(std::countr_zero(enough)) * granule_size;
  }
  [[nodiscard]] Size largest() const noexcept { return highest(sizes_.all()); }
  [[nodiscard]] Size largest_below(Size extent) const noexcept {
    return extent >= limit ? largest() : highest(sizes_.all() & (bit(extent) - 1));
  }

  // The lowest free block of exactly `extent` bytes, below the limit, that starts at `from` or
  // above; no block if there is none.
  [[nodiscard, gnu::noinline]] Block first(Offset from, Size extent) const noexcept {
    if (from >= map_.region_size()) return {};
    const auto number = static_cast<unsigned>(granules(extent));
    const std::size_t here = pair_of(from);
    if (const Block block = first_in(here, from, extent)) return block;
    const std::size_t next = sizes_.next(here + 1, number);
    return next == Pyramid<OrSummary>::none ? Block{} : first_in(next, 0, extent);
  }

 private:
  [[nodiscard]] static constexpr std::size_t pair_of(Offset at) noexcept {
    return BlockMap::chunk_of(at) / 2;
  }
  [[nodiscard]] static constexpr Size granules(Size extent) noexcept {
    return extent / granule_size;
  }
  [[nodiscard]] static constexpr std::uint64_t bit(Size extent) noexcept {
    return std::uint64_t{1} << granules(extent);
  }

  [[nodiscard]] static Size highest(std::uint64_t sizes) noexcept {
    return sizes == 0 ? 0 : static_cast<Size>(63 - std::countl_zero(sizes)) * granule_size;
  }

  [[nodiscard]] Block first_in(std::size_t pair, Offset from, Size extent) const noexcept {
    const std::size_t end = std::min(2 * pair + 2, map_.chunks());
    for (std::size_t chunk = 2 * pair; chunk < end; ++chunk) {
      for (auto bits = map_.free_word(chunk); bits != 0; bits &= bits - 1) {
        const Block block = map_.block_of_bit(chunk, bits);
        if (block.extent == extent && block.start >= from) return block;
      }
    }
    return {};
  }

  const BlockMap& map_;
  Pyramid<OrSummary> sizes_;
};

}  // namespace glassheap
