// drawing.hpp: heaps as text, so that a test of placement shows what it means.
//
//     [100]    a live block of 100 bytes
//     [.48.]   a free block that offers 48
//     ...      the free block at the end of the region, whatever it offers
//
// "[100][.48.][16]..." is both how a heap is asked for and how one is described.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rig.hpp"

namespace glassheap {

[[nodiscard]] inline std::string drawing(Rig& rig) {
  const auto blocks = rig.walk();
  std::string text;
  for (const BlockInfo& block : blocks) {
    const std::string size = std::to_string(block.size);
    const bool last = &block == &blocks.back();
    text += block.live ? "[" + size + "]" : last ? "..." : "[." + size + ".]";
  }
  return text;
}

// Fills a fresh heap as drawn: takes every block from the left, then frees those that are to be
// free.
inline void draw(Rig& rig, std::string_view text) {
  std::vector<Address> holes;
  while (text.starts_with('[')) {
    const bool hole = text[1] == '.';
    const Address payload = rig.malloc(std::stoul(std::string(text.substr(hole ? 2 : 1))));
    if (hole) holes.push_back(payload);
    text.remove_prefix(text.find(']') + 1);
  }
  for (const Address payload : holes) rig.free(payload);
}

// The payload of the k-th block from the left, counted from 0, free ones included.
[[nodiscard]] inline Address payload_of_block(Rig& rig, std::size_t k) {
  return rig.walk().at(k).address;
}

}  // namespace glassheap
