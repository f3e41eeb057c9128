// size_class.hpp: a class for each number of granules below 2^exact, then 16 classes a doubling.
//
//     granules   1  2  3 ... 63 | 64..67  68..71 ... 124..127 | 128..135 ...      for exact = 6
//     class      1  2  3 ... 63 | 64      65     ... 79       | 80
#pragma once

#include <bit>

#include "glassheap/types.hpp"

namespace glassheap {

[[nodiscard]] constexpr std::size_t size_class(Size extent, int exact) noexcept {
  const Size granules = extent / granule_size;
  if (granules >> exact == 0) return granules;
  const int doubling = static_cast<int>(std::bit_width(granules)) - 1;
  const auto below = (std::size_t{1} << exact) + static_cast<std::size_t>(doubling - exact) * 16;
  return below + (granules >> (doubling - 4) & 15);
}

}  // namespace glassheap
