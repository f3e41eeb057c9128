// drawing.hpp: heaps as text, so that a test of placement is readable.
//
//     [100]    a live block of 100 bytes
//     [.48.]   a free block that offers 48
//     ...      the free block at the end of the region, whatever it offers
//
// arrange() makes the heap of a drawing such as "[100][.48.][16]..."; drawing() returns that of a
// heap.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "checked_heap.hpp"

namespace glassheap {

[[nodiscard]] inline std::string drawing(const CheckedHeap& heap) {
  const auto blocks = heap.view().blocks;
  std::string text;
  for (const BlockInfo& block : blocks) {
    const std::string size = std::to_string(block.size);
    const bool last = &block == &blocks.back();
    text += block.live ? "[" + size + "]" : last ? "..." : "[." + size + ".]";
  }
  return text;
}

// Fills a fresh heap as drawn: allocates every block from the left, then frees the free ones.
inline void arrange(CheckedHeap& heap, std::string_view text) {
  std::vector<Address> holes;
  while (text.starts_with('[')) {
    const bool hole = text[1] == '.';
    const Address payload = heap.malloc(std::stoul(std::string(text.substr(hole ? 2 : 1))));
    if (hole) holes.push_back(payload);
    text.remove_prefix(text.find(']') + 1);
  }
  for (const Address payload : holes) heap.free(payload);
}

// The payload of the k-th block from the left, counted from 0, free ones included.
[[nodiscard]] inline Address payload_of_block(const CheckedHeap& heap, std::size_t k) {
  return heap.view().blocks.at(k).address;
}

}  // namespace glassheap
