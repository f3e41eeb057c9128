#include "block/block.hpp"

#include <chrono>
#include <exception>
#include <random>

namespace glassheap {
namespace {

void draw_random(std::span<std::uint64_t> keys) {
  std::random_device random;
  for (auto& key : keys) key = std::uint64_t{random()} << 32 | random();
}

// Keys that differ from heap to heap, but can be worked out from the time.
void derive_from_clock(std::span<std::uint64_t> keys) noexcept {
  auto mixed =
      static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  mixed ^= std::bit_cast<Address>(keys.data());
  for (auto& key : keys) key = mixed = (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9U + 1;
}

}  // namespace

// std::random_device may fail in a process that has no file descriptor left. Its heaps open all the
// same: the detection of accidental damage needs no secret.
Sealer::Sealer() {
  try {
    draw_random(key_);
  } catch (const std::exception&) {
    derive_from_clock(key_);
  }
}

}  // namespace glassheap
