// census.hpp: Census, the blocks of a heap at one moment, with their tags and ages.
//
// It is taken under the heap's lock, and evaluated without it.
#pragma once

#include <span>
#include <vector>

#include "heap/heap_state.hpp"

namespace glassheap {

class Census {
 public:
  Census() = default;  // no blocks
  // With the heap's lock, and the caches empty. Throws std::bad_alloc. O(n).
  explicit Census(const HeapState& heap);

  struct Row {
    BlockInfo block;
    TagId tag = 0;   // 0 for a free block
    double age = 0;  // seconds
  };
  // Every block, in address order.
  [[nodiscard]] std::span<const Row> rows() const noexcept { return rows_; }
  [[nodiscard]] bool keeps_tags() const noexcept { return keeps_tags_; }

  // The live blocks by their tags, the most bytes first; of as many bytes, by the text. O(n log n).
  [[nodiscard]] std::vector<TagUsage> by_tag() const;
  // At most `count` live blocks, the oldest first; of the same age, by address. O(n log count).
  [[nodiscard]] std::vector<TaggedBlock> oldest(std::size_t count) const;
  // The free blocks that offer most and the blocks between them, in address order; of equal ones,
  // those with the lowest addresses. None if there are fewer than two. O(n).
  [[nodiscard]] std::span<const Row> between_largest() const;
  [[nodiscard]] TaggedBlock tagged(const Row& row) const;

 private:
  void add_owners(const HeapState& heap, const Ledger& ledger);

  std::vector<Row> rows_;
  std::vector<std::optional<std::string>> texts_{1};  // by TagId, of the tags in rows_
  bool keeps_tags_ = false;
};

// No blocks, and a fault, if the heap cannot be read.
[[nodiscard]] Census take_census(HeapState& heap, Fault& fault);

}  // namespace glassheap
