#include "glassheap/block.hpp"

#include <random>

namespace glassheap {

Sealer::Sealer() {
  std::random_device random;
  for (auto& key : key_) key = std::uint64_t{random()} << 32 | random();
}

}  // namespace glassheap
