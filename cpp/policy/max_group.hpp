// max_group.hpp: 32 numbers in one cache line; the largest of them, and those that are large enough.
//
// SSE2, which every x86-64 processor has, does either in some twenty instructions. Its numbers are
// signed. Elsewhere the same is a loop.
//
// put() stores 16 bytes, the number among its neighbours. A search that follows reads as many at a
// time, and a processor makes a read wait for a smaller store into its bytes.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace glassheap::max_group {

using Number = std::int16_t;
inline constexpr std::size_t size = 32;

#ifdef __SSE2__

[[nodiscard]] inline Number of(const Number* group) noexcept {
  const auto* const eight = reinterpret_cast<const __m128i*>(group);
  const __m128i low = _mm_max_epi16(_mm_load_si128(eight), _mm_load_si128(eight + 1));
  const __m128i high = _mm_max_epi16(_mm_load_si128(eight + 2), _mm_load_si128(eight + 3));
  __m128i most = _mm_max_epi16(low, high);
  most = _mm_max_epi16(most, _mm_shuffle_epi32(most, _MM_SHUFFLE(1, 0, 3, 2)));
  most = _mm_max_epi16(most, _mm_shuffle_epi32(most, _MM_SHUFFLE(2, 3, 0, 1)));
  most = _mm_max_epi16(most, _mm_srli_epi32(most, 16));
  return static_cast<Number>(_mm_cvtsi128_si32(most));
}

// Bit i is set if number i is at least `least`.
[[nodiscard]] inline std::uint32_t matching(const Number* group, Number least) noexcept {
  const auto* const eight = reinterpret_cast<const __m128i*>(group);
  const __m128i bound = _mm_set1_epi16(static_cast<Number>(least - 1));
  const auto above = [&](int i) { return _mm_cmpgt_epi16(_mm_load_si128(eight + i), bound); };
  const auto bits = [](__m128i low, __m128i high) {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
  };
  return bits(above(0), above(1)) | bits(above(2), above(3)) << 16;
}

// Sets number i of a row of groups.
inline void put(Number* row, std::size_t i, Number value) noexcept {
  static constexpr Number ones_at_8[16] = {0, 0, 0, 0, 0, 0, 0, 0, -1};
  auto* const eight = reinterpret_cast<__m128i*>(row + i / 8 * 8);
  const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(ones_at_8 + 8 - i % 8));
  const __m128i others = _mm_andnot_si128(here, _mm_load_si128(eight));
  _mm_store_si128(eight, _mm_or_si128(others, _mm_and_si128(here, _mm_set1_epi16(value))));
}

#else

[[nodiscard]] inline Number of(const Number* group) noexcept {
  return *std::max_element(group, group + size);
}
[[nodiscard]] inline std::uint32_t matching(const Number* group, Number least) noexcept {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < size; ++i) bits |= (group[i] >= least ? 1U : 0U) << i;
  return bits;
}
inline void put(Number* row, std::size_t i, Number value) noexcept { row[i] = value; }

#endif

}  // namespace glassheap::max_group
