// sight.hpp: all that a heap shows of itself at one moment.
//
// A call that is refused leaves it as it was, all but the count of failures; and what a call owes
// its caller can be told from what stood where before it. The block map, from which walk() is made,
// lies outside the region: so the blocks are to be believed in a heap whose bytes were written over
// too.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <vector>

#include "glassheap/heap.hpp"
#include "variants.hpp"

namespace glassheap::fuzzing {

// ListEnds the program if the heap has broken a promise: that is what a fuzzer looks for.
inline void require(bool holds, const char* promise) {
  if (holds) [[likely]]
    return;
  std::fprintf(stderr, "The heap broke a promise: %s.\n", promise);
  std::abort();
}

// What a look gives. It is never refused.
template <typename Look>
auto seen(Look look) {
  Fault fault;
  auto result = look(fault);
  require(!fault, "a look at an open heap is never refused");
  return result;
}

// What a driver reads and writes may be out of bounds: a watched heap poisons all but the payloads.
[[gnu::no_sanitize_address]] inline std::vector<std::byte> bytes_of(const Heap& heap) {
  using Word = std::uint64_t;
  std::vector<std::byte> bytes(heap.size());
  const auto* const words = std::bit_cast<const volatile Word*>(heap.address());
  auto* const copy = reinterpret_cast<volatile Word*>(bytes.data());
  for (Size i = 0; i < bytes.size() / sizeof(Word); ++i) copy[i] = words[i];
  return bytes;
}
[[gnu::no_sanitize_address]] inline bool overwrite(std::byte& place, std::byte byte) {
  const bool changed = place != byte;
  place = byte;
  return changed;
}

struct Sight {
  explicit Sight(Heap& heap)
      : bytes(bytes_of(heap)),
        blocks(seen([&](Fault& fault) { return heap.walk(fault); })),
        list(seen([&](Fault& fault) { return heap.free_list(fault); })),
        stats(seen([&](Fault& fault) { return heap.stats(fault); })) {}

  // The block that holds `address`; none outside.
  [[nodiscard]] const BlockInfo* block_at(Address address) const {
    for (const BlockInfo& block : blocks) {
      if (address - block.start < block.extent) return &block;
    }
    return nullptr;
  }

  std::vector<std::byte> bytes;
  std::vector<BlockInfo> blocks;
  std::vector<FreeBlock> list;
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
// What a refused call must not have changed.
[[nodiscard]] inline bool same(const Sight& a, const Sight& b) {
  const auto equal = [](const auto& x, const auto& y) { return same(x, y); };
  return a.bytes == b.bytes && std::ranges::equal(a.blocks, b.blocks, equal) &&
         std::ranges::equal(a.list, b.list, equal) && same_but_failures(a.stats, b.stats);
}

}  // namespace glassheap::fuzzing
