// zeros.hpp: memory outside the region, for what a heap knows of it.
//
// Zeroed memory that takes no page before it is written to: what is kept for a region of gigabytes
// costs nothing until blocks stand there. Large arrays have pages of their own, from mmap; to make
// those zero again is to give them back. Small ones are calloc's.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace glassheap {

// How an array goes back: its bytes, if it has pages of its own, or 0.
struct Freed {
  std::size_t mapped = 0;
  void operator()(void* memory) const noexcept;
};

// An array of plain numbers.
template <typename Item>
using Zeros = std::unique_ptr<Item[], Freed>;

[[nodiscard]] void* zero_bytes(std::size_t bytes, std::size_t& mapped) noexcept;
void make_zero(void* memory, std::size_t bytes, const Freed& how) noexcept;

// `count` zeros; null if and only if there is no memory.
template <typename Item>
[[nodiscard]] Zeros<Item> zeros(std::size_t count) noexcept {
  Freed how;
  auto* const memory = static_cast<Item*>(zero_bytes(count * sizeof(Item), how.mapped));
  return Zeros<Item>(memory, how);
}

// All `count` of them are zero again, and take no more memory than at first.
template <typename Item>
void clear(Zeros<Item>& numbers, std::size_t count) noexcept {
  make_zero(numbers.get(), count * sizeof(Item), numbers.get_deleter());
}

// The same as `memory`; throws std::bad_alloc for null.
template <typename Item>
[[nodiscard]] Zeros<Item> needed(Zeros<Item> memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace glassheap
