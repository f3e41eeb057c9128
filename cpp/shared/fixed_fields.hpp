// fixed_fields.hpp: what is written once, when a segment is made: its layout, and the heap's options.
//
// They are the front of the superblock. A process reads them once, checks them, and then uses its
// own copy (Segment::fixed): a stray write to the front cannot lead it out of the segment.
#pragma once

#include <type_traits>

#include "block/block.hpp"

namespace glassheap::shared {

struct FixedFields {
  std::uint64_t magic = 0;
  std::uint32_t version = 0;
  std::uint32_t machine = 0;  // byte order
  std::uint64_t total = 0;    // bytes of the segment
  std::uint64_t arrays_at = 0;
  std::uint64_t owners_at = 0;
  std::uint64_t region_at = 0;
  std::uint64_t region_size = 0;  // of the shadow, in an offset heap
  char policy[24] = {};
  std::uint32_t block_magic = 0;
  std::uint8_t headers = 0;
  std::uint8_t zero_on_free = 0;
  std::uint8_t redzones = 0;
  std::uint8_t fit = 0;       // 0: none; otherwise the enumerator plus 1
  std::uint8_t order = 0;     // likewise
  std::uint8_t coalesce = 0;  // likewise
  std::uint8_t in_file = 0;   // 1: made in a file, whose bytes its attachments lock (presence.hpp)
  std::uint8_t granule = 0;   // 0: a heap with bytes; otherwise the granule's log2 plus 1
  std::uint8_t unused[4] = {};  // instead of padding: the checksum covers every byte
  Key key{};                    // of the seals
  Key identity{};               // a random number, another one for each segment
  std::uint64_t checksum = 0;
};

static_assert(std::has_unique_object_representations_v<FixedFields>);

}  // namespace glassheap::shared
