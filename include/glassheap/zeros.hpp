// zeros.hpp: memory outside the region, for what a heap knows of it.
//
// By calloc, because it gives large zeroed memory without touching it: what is kept for a region of
// gigabytes costs nothing until blocks stand there.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace glassheap {

struct Freed {
  void operator()(void* memory) const noexcept { std::free(memory); }
};

// An array of plain numbers.
template <typename Item>
using Zeros = std::unique_ptr<Item[], Freed>;

// `count` zeros; null if and only if there is no memory.
template <typename Item>
[[nodiscard]] Zeros<Item> zeros(std::size_t count) noexcept {
  return Zeros<Item>(static_cast<Item*>(std::calloc(count, sizeof(Item))));
}

// The same; throws std::bad_alloc for null.
template <typename Item>
[[nodiscard]] Zeros<Item> needed(Zeros<Item> memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace glassheap
