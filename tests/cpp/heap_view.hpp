// heap_view.hpp: everything that a heap reports at one moment. A refused call changes nothing but
// the count of failures, so the views before and after it are equal.
#pragma once

#include <cstring>
#include <vector>

#include "printing.hpp"
#include "variants.hpp"

namespace glassheap {

// These access bytes that a heap with debug checks has poisoned: all but the payloads. Of a large
// region they are the first 64 KiB.
[[gnu::no_sanitize_address]] inline std::vector<std::byte> bytes_of(const Heap& heap) {
  using Word = std::uint64_t;
  std::vector<std::byte> bytes(std::min(heap.size(), Size{65536}));
  const auto* const words = std::bit_cast<const volatile Word*>(heap.address());
  auto* const copy = reinterpret_cast<volatile Word*>(bytes.data());
  for (Size i = 0; i < bytes.size() / sizeof(Word); ++i) copy[i] = words[i];
  return bytes;
}
[[gnu::no_sanitize_address]] inline std::byte peek(const std::byte& place) {
  return *const_cast<const volatile std::byte*>(&place);
}
// Returns true if the byte has changed.
[[gnu::no_sanitize_address]] inline bool overwrite(std::byte& place, std::byte byte) {
  const bool changed = place != byte;
  place = byte;
  return changed;
}

struct HeapView {
  explicit HeapView(Heap& heap) : bytes(bytes_of(heap)) {
    Fault fault;
    blocks = heap.walk(fault);
    free_list = heap.free_list(fault);
    stats = heap.stats(fault);
  }

  // The block that contains `address`; null outside the region.
  [[nodiscard]] const BlockInfo* block_at(Address address) const {
    for (const BlockInfo& block : blocks) {
      if (address - block.start < block.extent) return &block;
    }
    return nullptr;
  }

  std::vector<std::byte> bytes;
  std::vector<BlockInfo> blocks;
  std::vector<FreeBlock> free_list;
  Stats stats;
};

// memcmp compares padding too, and Stats has none.
[[nodiscard]] inline bool operator==(const Stats& a, const Stats& b) {
  static_assert(std::has_unique_object_representations_v<Stats>);
  return std::memcmp(&a, &b, sizeof a) == 0;
}
// Returns true if the views are equal, except for the count of failures.
[[nodiscard]] inline bool operator==(const HeapView& a, const HeapView& b) {
  Stats stats = a.stats;
  stats.failures = b.stats.failures;
  return a.bytes == b.bytes && a.blocks == b.blocks && a.free_list == b.free_list &&
         stats == b.stats;
}

inline void PrintTo(const HeapView& view, std::ostream* out) {
  *out << view.blocks.size() << " blocks, " << view.stats.requested << " bytes requested, "
       << view.stats.mallocs << " mallocs, " << view.stats.frees << " frees, bytes";
  for (const std::byte byte : view.bytes) *out << ' ' << std::to_integer<int>(byte);
}

}  // namespace glassheap
