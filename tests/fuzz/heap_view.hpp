// heap_view.hpp: everything that a heap reports at one moment.
//
// A refused call changes nothing but the count of failures, so the views before and after it are
// compared; and the correct result of a call follows from the view before it. walk() is made from
// the block map, which lies outside the region: so the blocks of a view are reliable even if the
// bytes of the region have been overwritten.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <vector>

#include "glassheap/heap.hpp"
#include "variants.hpp"

namespace glassheap::fuzzing {

// Aborts if the heap has broken a promise: that is the result that a fuzzer searches for.
inline void require(bool holds, const char* promise) {
  if (holds) [[likely]]
    return;
  std::fprintf(stderr, "The heap broke a promise: %s.\n", promise);
  std::abort();
}

// Returns the result of `query`, a function of a Fault&. A query of an open heap is never refused.
template <typename Query>
auto observe(Query query) {
  Fault fault;
  auto result = query(fault);
  require(!fault, "a query of an open heap is never refused");
  return result;
}

// These two access bytes that a heap with debug checks has poisoned: all but the payloads.
[[gnu::no_sanitize_address]] inline std::vector<std::byte> bytes_of(const Heap& heap) {
  using Word = std::uint64_t;
  std::vector<std::byte> bytes(heap.size());
  const auto* const words = std::bit_cast<const volatile Word*>(heap.address());
  auto* const copy = reinterpret_cast<volatile Word*>(bytes.data());
  for (Size i = 0; i < bytes.size() / sizeof(Word); ++i) copy[i] = words[i];
  return bytes;
}
// Returns true if the byte has changed.
[[gnu::no_sanitize_address]] inline bool overwrite(std::byte& place, std::byte byte) {
  const bool changed = place != byte;
  place = byte;
  return changed;
}

struct HeapView {
  explicit HeapView(Heap& heap)
      : bytes(bytes_of(heap)),
        blocks(observe([&](Fault& fault) { return heap.walk(fault); })),
        free_list(observe([&](Fault& fault) { return heap.free_list(fault); })),
        stats(observe([&](Fault& fault) { return heap.stats(fault); })) {}

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

[[nodiscard]] inline bool same(const BlockInfo& a, const BlockInfo& b) {
  return a.start == b.start && a.address == b.address && a.size == b.size && a.extent == b.extent &&
         a.live == b.live && a.serial == b.serial;
}
[[nodiscard]] inline bool same(const FreeBlock& a, const FreeBlock& b) {
  return a.address == b.address && a.size == b.size;
}
[[nodiscard]] inline bool same_but_failures(Stats a, Stats b) {
  static_assert(std::has_unique_object_representations_v<Stats>);
  a.failures = b.failures = 0;
  return std::memcmp(&a, &b, sizeof a) == 0;
}
// Returns true if the views are equal, except for the count of failures.
[[nodiscard]] inline bool same(const HeapView& a, const HeapView& b) {
  const auto equal = [](const auto& x, const auto& y) { return same(x, y); };
  return a.bytes == b.bytes && std::ranges::equal(a.blocks, b.blocks, equal) &&
         std::ranges::equal(a.free_list, b.free_list, equal) && same_but_failures(a.stats, b.stats);
}

}  // namespace glassheap::fuzzing
