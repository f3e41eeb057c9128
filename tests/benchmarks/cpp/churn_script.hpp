// churn_script.hpp: the replacements of a churn, drawn beforehand.
//
// A churn repeatedly replaces one of its live blocks, chosen at random, by a new one of a random
// size. Drawing a number takes about as long as a fast malloc, so all replacements are drawn before
// the clock starts, and then read from a ring, which is too long for a branch predictor to learn.
// The generator and the arithmetic are fixed, so every machine has the same replacements.
//
//     uniform      16 to 512 bytes, all equally likely
//     log-normal   the logarithm is normal: median 64 bytes, sigma 1.5, from 1 byte to 64 KiB; many
//                  small blocks and a few very large ones, as in real programs
#pragma once

#include <cstdint>
#include <vector>

#include "glassheap/types.hpp"

namespace bench {

using glassheap::Size;

enum class Sizes : std::uint8_t { uniform, log_normal };

struct Replacement {
  std::uint32_t block;  // the block to replace
  std::uint32_t size;   // bytes of the new block
};

struct ChurnScript {
  std::vector<std::uint32_t> first_sizes;  // bytes of each block at the beginning
  std::vector<Replacement> ring;           // a power of two of them
  Size peak_taken = 0;                     // bytes with headers and rounding, at the fullest moment
};

// For `live` blocks, from 1 up.
[[nodiscard]] ChurnScript draw_churn(std::uint32_t live, Sizes sizes);

}  // namespace bench
