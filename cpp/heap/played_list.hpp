// played_list.hpp: the free list of sequential_fit as plain numbers, to see what a release would do.
//
// The rules are those of policy/sequential_fit.hpp and space/list_pass.hpp.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "glassheap/options.hpp"

namespace glassheap {

class PlayedList {
 public:
  PlayedList(std::span<const Block> list, Order order)
      : blocks_(list.begin(), list.end()), order_(order) {}

  // Frees a block, and makes the pass that joins blocks.
  void release(Block block) {
    blocks_.insert(order_ == Order::front ? blocks_.begin() : blocks_.end(), block);
    sort();
    pass();
  }
  // The free block that has this byte.
  [[nodiscard]] Block around(Offset at) const noexcept {
    for (const Block block : blocks_)
      if (block.start <= at && at < block.end()) return block;
    return {};
  }

 private:
  [[nodiscard]] bool is_earlier(Block a, Block b) const noexcept {
    switch (order_) {
      case Order::address:
        return a.start < b.start;
      case Order::size_up:
        return a.extent < b.extent;
      case Order::size_down:
        return a.extent > b.extent;
      default:
        return false;
    }
  }
  // By insertion: the order of equal blocks stays, and all but a few are in their places.
  void sort() {
    const auto earlier = [this](Block a, Block b) { return is_earlier(a, b); };
    for (auto block = blocks_.begin(); block != blocks_.end(); ++block)
      std::rotate(std::upper_bound(blocks_.begin(), block, *block, earlier), block, block + 1);
  }
  void pass() {
    std::size_t kept = 0;
    for (std::size_t i = 1; i < blocks_.size(); ++i) {
      if (blocks_[i].start == blocks_[kept].end()) {
        blocks_[kept].extent += blocks_[i].extent;
      } else {
        blocks_[++kept] = blocks_[i];
      }
    }
    blocks_.resize(std::min(kept + 1, blocks_.size()));
  }

  std::vector<Block> blocks_;
  Order order_;
};

}  // namespace glassheap
