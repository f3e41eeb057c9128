// choices.hpp: what a churn frees and allocates, drawn beforehand.
//
// A churn replaces, over and over, one of its live blocks, picked at random, by a new one of a
// random size. To draw a number takes about as long as a fast malloc, so all choices are made
// before the clock starts, and then read in a circle: long enough that no branch predictor learns
// it. The generator and the arithmetic are fixed, so every machine gets the same choices.
//
//     uniform      16 to 512 bytes, each as likely
//     log-normal   the logarithm is normal: median 64 bytes, sigma 1.5, from 1 byte to 64 KiB; many
//                  small blocks and a few very large ones, as programs have
#pragma once

#include <cstdint>
#include <vector>

#include "glassheap/types.hpp"

namespace bench {

using glassheap::Size;

enum class Sizes : std::uint8_t { uniform, log_normal };

struct Choice {
  std::uint32_t block;  // the one to replace
  std::uint32_t size;   // bytes of the new one
};

struct Choices {
  std::vector<std::uint32_t> first_sizes;  // bytes of each block at the beginning
  std::vector<Choice> circle;              // a power of two of them
  Size peak_taken = 0;                     // bytes with headers and rounding, at the fullest moment
};

// For `live` blocks, from 1 up.
[[nodiscard]] Choices draw(std::uint32_t live, Sizes sizes);

}  // namespace bench
