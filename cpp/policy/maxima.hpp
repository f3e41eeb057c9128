// maxima.hpp: the larger of numbers, as a summary of a pyramid (pyramid.hpp).
//
// A group is one cache line, and one SSE2 comparison of the line finds which of its numbers are at
// least so large:
//
//     ByteMaxima    | 64 numbers of a byte, 0 to 255 |
//     WordMaxima    | 16 numbers of four bytes, signed, because SSE2 compares signed numbers |
//
// Cost. About 25 instructions for a comparison, and as many for the largest of a group.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace glassheap {

// What both have. Query: at least so many.
template <typename Type, std::size_t fan>
struct Maxima {
  using Number = Type;
  static constexpr std::size_t fan_out = fan;

  [[nodiscard]] static Number combine(Number a, Number b) noexcept { return a > b ? a : b; }
  [[nodiscard]] static bool depends_on(Number sum, Number number) noexcept { return sum == number; }
#ifndef __SSE2__
  using Bits = std::uint64_t;
  [[nodiscard]] static Number of(const Number* group) noexcept {
    return *std::max_element(group, group + fan_out);
  }
  [[nodiscard]] static Bits matching(const Number* group, Number least) noexcept {
    Bits bits = 0;
    for (std::size_t i = 0; i < fan_out; ++i) bits |= Bits{group[i] >= least} << i;
    return bits;
  }
#endif
};

#ifndef __SSE2__
using ByteMaxima = Maxima<std::uint8_t, 64>;
using WordMaxima = Maxima<std::int32_t, 16>;
#else

struct ByteMaxima : Maxima<std::uint8_t, 64> {
  using Bits = std::uint64_t;

  [[nodiscard]] static Number of(const Number* group) noexcept {
    const auto* const four = reinterpret_cast<const __m128i*>(group);
    __m128i most = _mm_max_epu8(_mm_max_epu8(four[0], four[1]), _mm_max_epu8(four[2], four[3]));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 8));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 4));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 2));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 1));
    return static_cast<Number>(_mm_cvtsi128_si32(most));
  }
  [[nodiscard]] static Bits matching(const Number* group, Number least) noexcept {
    const auto* const four = reinterpret_cast<const __m128i*>(group);
    const __m128i bound = _mm_set1_epi8(static_cast<char>(least));
    const auto hits = [&](int i) {
      const __m128i is_hit = _mm_cmpeq_epi8(_mm_max_epu8(bound, four[i]), four[i]);
      return static_cast<unsigned>(_mm_movemask_epi8(is_hit));
    };
    return hits(0) | hits(1) << 16 | Bits{hits(2) | hits(3) << 16} << 32;
  }
};

struct WordMaxima : Maxima<std::int32_t, 16> {
  using Bits = unsigned;

  [[nodiscard]] static Number of(const Number* group) noexcept {
    const auto* const four = reinterpret_cast<const __m128i*>(group);
    __m128i most = larger(larger(four[0], four[1]), larger(four[2], four[3]));
    most = larger(most, _mm_shuffle_epi32(most, _MM_SHUFFLE(1, 0, 3, 2)));
    return _mm_cvtsi128_si32(larger(most, _mm_shuffle_epi32(most, _MM_SHUFFLE(2, 3, 0, 1))));
  }
  [[nodiscard]] static Bits matching(const Number* group, Number least) noexcept {
    const auto* const four = reinterpret_cast<const __m128i*>(group);
    const __m128i bound = _mm_set1_epi32(least - 1);
    const auto is_hit = [&](int i) { return _mm_cmpgt_epi32(four[i], bound); };
    const __m128i low = _mm_packs_epi32(is_hit(0), is_hit(1));
    const __m128i high = _mm_packs_epi32(is_hit(2), is_hit(3));
    return static_cast<Bits>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
  }

 private:
  [[nodiscard]] static __m128i larger(__m128i a, __m128i b) noexcept {
    const __m128i is_a = _mm_cmpgt_epi32(a, b);
    return _mm_or_si128(_mm_and_si128(is_a, a), _mm_andnot_si128(is_a, b));
  }
};

#endif

}  // namespace glassheap
