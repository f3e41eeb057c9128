// pins.hpp: the blocks that views keep in place.
//
// A view of a block pins it, as often as there are views. A pinned block is neither freed nor moved;
// its heap is neither reset nor closed. Pins belong to one process: a shared heap does not share
// them.
#pragma once

#include <unordered_map>

#include "glassheap/types.hpp"

namespace glassheap {

class Pins {
 public:
  [[nodiscard]] bool contains(Offset payload) const noexcept {
    return !by_payload_.empty() && by_payload_.contains(payload);
  }
  [[nodiscard]] std::size_t blocks() const noexcept { return by_payload_.size(); }
  [[nodiscard]] bool any_block() const noexcept { return !by_payload_.empty(); }
  [[nodiscard]] bool any() const noexcept { return any_block() || region_ != 0; }
  // A pinned block's payload, of which there is one.
  [[nodiscard]] Offset first() const noexcept { return by_payload_.begin()->first; }
  [[nodiscard]] std::size_t count(Offset payload) const noexcept {
    const auto pin = by_payload_.find(payload);
    return pin == by_payload_.end() ? 0 : pin->second;
  }

  // Throws std::bad_alloc, and changes nothing, if there is no memory for another entry.
  void add(Offset payload) { ++by_payload_[payload]; }
  void add_region() noexcept { ++region_; }
  void drop(Offset payload) noexcept;
  void drop_region() noexcept { --region_; }
  // The pins of the block at `from` are of the block at `to` now. Allocates nothing.
  void move(Offset from, Offset to) noexcept;

 private:
  std::unordered_map<Offset, std::size_t> by_payload_;
  std::size_t region_ = 0;
};

}  // namespace glassheap
