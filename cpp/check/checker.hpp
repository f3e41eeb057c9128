// check.hpp: the one judge. Whatever is believed about a pointer, a header or a node is decided
// here.
//
// A pointer is judged against the block map first, which lies outside the region and cannot be
// forged, then against the header that stands in front of it, where the heap has headers:
//
//     outside the region ............................ ForeignPointer
//     not on a granule .............................. MisalignedPointer
//     the payload of a block that is free ........... DoubleFree
//     the payload of a block that is live ........... by its header: good, BadMagic,
//     HeaderCorrupted else, in a free block ......................... DoubleFree, whatever was
//     merged since else, in a live block ......................... InteriorPointer
//
// Cost: O(log64 n) a judgement; nothing is written.
#pragma once

#include "block/block.hpp"
#include "block/block_map.hpp"
#include "block/redzone.hpp"
#include "glassheap/fault.hpp"

namespace glassheap {

// A live block whose header has been found sound.
struct LiveBlock {
  Block block;
  Size size = 0;
  std::uint16_t serial = 0;
};

class Checker {
 public:
  Checker(const BlockBytes& bytes, const BlockMap& map) noexcept : bytes_(bytes), map_(map) {}

  // Whether `payload` is the payload of a live block with a sound header; which block, or why not.
  // `payload` is any number.
  [[nodiscard]] bool find_inline(Offset payload, LiveBlock& live, Fault& fault) const noexcept {
    const Offset start =
        bytes_.layout.start_of(payload);  // wraps below the first payload, and so is outside
    if constexpr (!checking) return believe(start, live);
    if (start >= bytes_.size() || start % granule_size != 0 || !map_.live_at(start)) {
      fault = misplaced(payload);
      return false;
    }
    const Block block = map_.block_at(start);
    if (!bytes_.layout.has_headers()) {
      live = {block, on_offer(block), 0};
      return redzone_holds(live, fault);
    }
    const header_t header = bytes_.header(start);
    live = {block, header.size, header.serial};
    return (is_sound(block, header) || explain(start, fault)) && redzone_holds(live, fault);
  }

  // The same, out of line, for calls in which it is not the most of the work.
  [[nodiscard]] bool find(Offset payload, LiveBlock& found, Fault& fault) const noexcept;

  // Whether the header of the live block `block` is sound, and its redzone.
  [[nodiscard]] bool sound(Block block, Fault& fault) const noexcept;

  // Whether the node of the free block at `start` says what the map says: its size, and as links
  // `next` and `prev`, which the policy knows.
  [[nodiscard]] bool node(Offset start, Offset next, Offset prev, Fault& fault) const noexcept;

  // Every rule that a live block breaks, or free memory, or a pair of neighbours where no two free
  // blocks touch. Nodes and lists are the policy's.
  void inspect(Findings& findings, bool none_touch) const;

 private:
  [[nodiscard]] Size on_offer(Block block) const noexcept {
    return bytes_.layout.on_offer(block.extent);
  }
  [[nodiscard]] bool is_sound(Block block, const header_t& header) const noexcept {
    return header.magic == bytes_.magic() && bytes_.layout.fills(header.size, block.extent) &&
           header.seal == bytes_.seal(block.start, header);
  }
  bool believe(Offset start, LiveBlock& live) const noexcept {
    live = {map_.block_at(start), 0, 0};
    const bool headed = bytes_.layout.has_headers();
    const header_t header = headed ? bytes_.header(start) : header_t{on_offer(live.block), 0, 0, 0};
    live.size = header.size;
    live.serial = header.serial;
    return true;
  }
  [[nodiscard]] bool redzone_holds(LiveBlock& live, Fault& fault) const noexcept {
    return !bytes_.layout.has_redzones() || redzone::holds(bytes_, live.block, live.size, fault);
  }
  [[nodiscard]] bool fill_holds(Block free, Fault& fault) const noexcept;
  [[nodiscard]] bool was_freed(Offset start) const noexcept;
  // Why `payload` is not a live block's.
  [[nodiscard, gnu::cold]] Fault misplaced(Offset payload) const noexcept;
  // Which field of the unsound header at `start` is wrong. Returns false, for its callers.
  [[nodiscard, gnu::cold]] bool explain(Offset start, Fault& fault) const noexcept;

  const BlockBytes& bytes_;
  const BlockMap& map_;
};

}  // namespace glassheap
