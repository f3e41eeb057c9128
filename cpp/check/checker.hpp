// checker.hpp: Checker, the one place that decides whether a pointer, a header or a node is sound.
//
// A pointer is checked against the block map first, which lies outside the region and cannot be
// forged; then against the header in front of it, if the heap has headers:
//
//     pointer                            verdict
//     -----------------------------      ------------------------------------------------------
//     payload of a live block            by the header: sound, bad_magic, or header_corrupted
//     payload of a freed block           double_free
//     outside the region                 foreign_pointer
//     no multiple of 16                  misaligned_pointer
//     elsewhere in a free block          double_free: its block has been merged into that one
//     elsewhere in a live block          interior_pointer
//
// The first row that applies decides: an empty payload of a freed block may be the region's end.
// Cost: O(log64 n) for a pointer. Nothing is written.
#pragma once

#include <vector>

#include "block/block.hpp"
#include "block/block_map.hpp"
#include "block/redzone.hpp"
#include "block/walk.hpp"
#include "glassheap/fault.hpp"

namespace glassheap {

// A live block whose header was found sound.
struct LiveBlock {
  Block block;
  Size size = 0;
  std::uint16_t serial = 0;
};

using Faults = std::vector<Fault>;

// A broken rule, and the live block that most likely wrote there: the block in front of the damage.
// Its extent is 0 if no live block is suspect.
struct BrokenRule {
  Fault fault;
  BlockView culprit;
};

class Checker {
 public:
  Checker(const BlockBytes& bytes, const BlockMap& map) noexcept : bytes_(bytes), map_(map) {}

  // Returns true if `payload`, which may be any number, is the payload of a live block with a sound
  // header, and sets `live`; otherwise sets `fault`.
  [[nodiscard]] bool find_inline(Offset payload, LiveBlock& live, Fault& fault) const noexcept {
    const Offset start =
        bytes_.layout.start_of(payload);  // wraps below the first payload, and so is outside
    if constexpr (!checking) return believe(start, live);
    if (start >= bytes_.size() || start % granule_size != 0 || !map_.live_at(start)) {
      fault = misplaced(payload);
      return false;
    }
    const Block block = map_.block_at(start);
    live.block = block;  // field by field: GCC copies a whole LiveBlock through the stack
    if (!bytes_.layout.has_headers()) {
      live.size = on_offer(block);
      live.serial = 0;
      return redzone_holds(live, fault);
    }
    const header_t header = bytes_.header(start);
    live.size = header.size;
    live.serial = header.serial;
    return (is_sound(block, header) || explain(start, fault)) && redzone_holds(live, fault);
  }

  // The same for a heap of a plain shape, without a Fault: find() tells what is wrong.
  template <Shape shape>
  [[nodiscard]] bool find_as(Offset payload, LiveBlock& live) const noexcept {
    const Offset start = payload - front_of(shape, bytes_.layout);
    if constexpr (!checking) return believe(start, live);
    if (!may_start_at(start) || !map_.live_at(start)) return false;
    live.block = map_.block_at(start);
    read_size<shape>(live);
    return bytes_.layout.fills(live.size, live.block.extent) && is_sealed<shape>(live.block);
  }
  // The same for a live block at `live.block`, but that a false may still be true.
  template <Shape shape>
  [[nodiscard]] bool plainly_find(LiveBlock& live) const noexcept {
    read_size<shape>(live);
    return Layout::plainly_fills(live.size, live.block.extent, front_of(shape, bytes_.layout)) &&
           is_sealed<shape>(live.block);
  }
  // Returns true if `start`, which may be any number, is that of a granule in the region.
  [[nodiscard]] bool may_start_at(Offset start) const noexcept {
    // Rotated, an offset that is no multiple of a granule lies outside too.
    return std::rotr(start, granule_bits) < bytes_.size() / granule_size;
  }

  // The same, out of line, for cold callers.
  [[nodiscard]] bool find(Offset payload, LiveBlock& found, Fault& fault) const noexcept;

  // Returns true if `header` is that of the live block `block`. Reads neither map nor region.
  [[nodiscard]] bool is_sound(Block block, const header_t& header) const noexcept {
    return header.magic == bytes_.magic() && bytes_.layout.fills(header.size, block.extent) &&
           header.seal == bytes_.seal(block.start, header);
  }
  // Returns true if the header of the live block `block` and its redzone are sound.
  [[nodiscard]] bool sound(Block block, Fault& fault) const noexcept;

  // Finds the wrong field of the unsound node of a free block that has no record, and whose next
  // one is `next`.
  void explain_node(Block free, Offset next, Fault& fault) const noexcept;

  // Adds every rule that a live block breaks, or free memory, or, if `none_touch`, two free blocks
  // that touch. The policy inspects nodes and lists.
  void inspect(Faults& faults, bool none_touch) const;

  // Adds a fault if these are not the sums over the live blocks, whose headers must all be sound.
  void inspect_sums(Size requested, Size taken, Faults& faults) const;

  // The faults by place, each rule once per place: an overwritten node is found by each of its
  // neighbours.
  [[nodiscard]] std::vector<BrokenRule> with_culprits(Faults faults) const;

 private:
  template <Shape shape>
  void read_size(LiveBlock& live) const noexcept {
    const bool has_header = front_of(shape, bytes_.layout) != 0;
    live.size = has_header ? bytes_.header(live.block.start).size : live.block.extent;
  }
  template <Shape shape>
  [[nodiscard]] bool is_sealed(Block live) const noexcept {
    return front_of(shape, bytes_.layout) == 0 || bytes_.is_sealed(live.start);
  }
  static constexpr int granule_bits = std::countr_zero(granule_size);

  [[nodiscard]] Size on_offer(Block block) const noexcept {
    return bytes_.layout.on_offer(block.extent);
  }
  // In a build without checks.
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
  // The fault of a payload that is not a live block's.
  [[nodiscard, gnu::cold]] Fault misplaced(Offset payload) const noexcept;
  // Finds the wrong field of the unsound header at `start`. Returns false, for its callers.
  [[nodiscard, gnu::cold]] bool explain(Offset start, Fault& fault) const noexcept;
  [[nodiscard]] BlockView culprit_of(const Fault& fault) const noexcept;

  const BlockBytes& bytes_;
  const BlockMap& map_;
};

}  // namespace glassheap
