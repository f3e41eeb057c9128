// tombstones.hpp: the starts of blocks without payload that were merged into the block before them.
//
// The address of a block without payload is the start of the next block. Once it is merged into the
// block before it, only a tombstone tells a second free() of it from a pointer to the next block's
// front.
//
//     | live ....... | no payload | live            the address of the second is the third one's start
//     | free ..................... | live            a tombstone at that start
//
// The bits, half a block map, are allocated with the first tombstone: that one free() asks the
// system for memory, under the heap's lock. It cannot fail for lack of it: without memory no
// tombstone is set, and such a pointer is refused as an interior one. Cost: O(1) a call.
#pragma once

#include "base/bitmap.hpp"
#include "base/zeroed_array.hpp"

namespace glassheap {

class Tombstones {
 public:
  // For 64 * words granules. A shared heap's bits are taken at once.
  Tombstones(std::size_t words, ArrayArena& arena) : words_(words) {
    if (arena.is_shared()) bits_ = arena.take<Bitmap::Word>(words);
  }

  [[nodiscard]] bool has(std::size_t granule) const noexcept {
    return bits_ != nullptr && Bitmap::test(bits_.get(), granule);
  }
  void set(std::size_t granule) noexcept {
    if (bits_ == nullptr) bits_ = make_zeroed<Bitmap::Word>(words_);
    if (bits_ != nullptr) Bitmap::set(bits_.get(), granule);
  }
  // Only shared bits stay.
  void clear(bool is_shared) noexcept {
    if (is_shared) {
      glassheap::clear(bits_, words_);
    } else {
      bits_.reset();
    }
  }
  [[nodiscard]] std::size_t own_memory() const noexcept {
    return bits_ == nullptr ? 0 : words_ * sizeof(Bitmap::Word);
  }

 private:
  std::size_t words_;
  ZeroedArray<Bitmap::Word> bits_;  // null until the first tombstone
};

}  // namespace glassheap
