// heap_core.hpp: malloc and free, whatever the policy.
//
//     allocate   = find_free         |  split, write the header
//     release    = judge, vet        |  coalesce
//     reallocate = judge, vet        |  shrink, or grow into the right neighbour, or move
//
// Left of the bar everything is computed and checked, and nothing is written; right of it nothing
// can fail. A call that is refused therefore leaves the region and the block map as they were.
//
// allocate, release and allocate_many are flattened: all that they call becomes part of them, which
// takes a fifth off a pair of calls. What is rare is kept out of line by a cold or noinline of its
// own.
//
// In every step the block map is brought up to date first; then the policy is told, which may ask
// the map for the neighbours of a place, and still finds the nodes of blocks that are no more; and
// last the fronts of those are scrubbed.
#pragma once

#include <ranges>

#include "glassheap/core.hpp"
#include "glassheap/policy/policy.hpp"

namespace glassheap {

template <Policy P>
class HeapCore final : public Core {
 public:
  HeapCore(const Region& region, std::uint32_t magic, bool zero_on_free)
      : blocks_(region, magic),
        map_(region.size()),
        judge_(blocks_, map_),
        policy_(blocks_, map_),
        zero_on_free_(zero_on_free) {
    seed();
  }

  [[gnu::flatten]] Block allocate(Size size, Size align, Fault& fault) noexcept override {
    const Slot slot = find_free(size, align, fault);
    if (!slot) return {};
    ++tally_.mallocs;
    return take(slot, size);
  }

  [[gnu::flatten]] bool release(Offset payload, Fault& fault) noexcept override {
    Live freed;
    if (!judge_.live(payload, freed, fault)) return false;
    const Merge merge = around(freed.block);
    if (!vet(merge, fault)) return false;
    ++tally_.frees;
    give_back(freed, merge);
    return true;
  }

  Block reallocate(Offset payload, Size size, Size align, Fault& fault) noexcept override {
    Live live;
    if (!judge_.live(payload, live, fault) || !vet(around(live.block), fault)) return {};
    const Block now = fits_in_place(live.block, size, align) ? resize(live, size)
                                                             : move(live, size, align, fault);
    if (now) ++tally_.reallocs;
    return now;
  }

  [[gnu::flatten]] bool allocate_many(std::span<const Size> sizes, std::span<Offset> payloads,
                                      std::size_t& refused, Fault& fault) override {
    const State before{tally_, serial_};
    Notes notes;
    notes.reserve(sizes.size());
    for (refused = 0; refused < sizes.size(); ++refused) {
      const Size size = sizes[refused];
      const Slot slot = find_free(size, granule_size, fault);
      if (!slot) {
        undo(payloads.first(refused), notes, before);
        return false;
      }
      note(slot.start + extent_for(size), slot.from.end(), notes);
      payloads[refused] = payload_of(take(slot, size).start);
    }
    tally_.mallocs += sizes.size();
    return true;
  }

  bool release_many(std::span<const Offset> payloads, std::size_t& refused,
                    Fault& fault) noexcept override {
    if (!all_sound(payloads, refused, fault) || !all_distinct(payloads, refused, fault))
      return false;
    Live freed;
    for (const Offset payload : payloads) {
      if (judge_.live(payload, freed, fault)) give_back(freed, around(freed.block));
    }
    tally_.frees += payloads.size();
    return true;
  }

  [[nodiscard]] bool find(Offset payload, Live& live, Fault& fault) const noexcept override {
    return judge_.live(payload, live, fault);
  }

  void reset() noexcept override {
    for (const Block block : Walk(map_)) {
      wipe(block);
      blocks_.scrub(block.start);
    }
    map_.clear();
    tally_.requested = tally_.taken = 0;
    seed();
  }

  [[nodiscard]] Findings inspect() const override {
    Findings findings;
    judge_.inspect(findings);
    policy_.inspect(findings);
    if (findings.empty()) inspect_counters(findings);
    return findings;
  }

  [[nodiscard]] std::vector<Sight> walk() const override {
    std::vector<Sight> sights;
    sights.reserve(map_.blocks());
    for (const Block block : Walk(map_)) sights.push_back(look(blocks_, map_, block));
    return sights;
  }

  [[nodiscard]] std::vector<Block> free_list() const override {
    std::vector<Block> list;
    list.reserve(map_.free_blocks());
    policy_.list([&list](Block block) { list.push_back(block); });
    return list;
  }

  [[nodiscard]] Size largest() const noexcept override { return policy_.largest(); }
  [[nodiscard]] const BlockMap& map() const noexcept override { return map_; }
  [[nodiscard]] const Tally& tally() const noexcept override { return tally_; }

 private:
  struct State {
    Tally tally;
    std::uint16_t serial = 0;
  };
  // A block that becomes free, and the free blocks that touch it.
  struct Merge {
    Block left, middle, right;
  };
  struct Note {
    Offset at;
    header_t front;
  };
  using Notes = std::vector<Note>;

  void seed() noexcept {
    const Block whole{0, blocks_.size()};
    map_.add_free(whole);
    policy_.seed(whole);
  }

  // --- Left of the bar: these only read. --------------------------------------------------------

  [[nodiscard]] Slot find_free(Size size, Size align, Fault& fault) noexcept {
    Slot slot;
    if (size <= largest_region) slot = policy_.find_free({extent_for(size), align}, fault);
    if (!slot && !fault) refuse(size, fault);
    return slot;
  }

  [[gnu::cold, gnu::noinline]] void refuse(Size size, Fault& fault) noexcept {
    ++tally_.failures;
    const Size free = blocks_.size() - tally_.taken;
    const Size largest = policy_.largest();
    fault.kind = FaultKind::out_of_memory;
    fault.shortage = {size, free - map_.free_blocks() * front_size,
                      largest == 0 ? 0 : on_offer(largest), map_.free_blocks()};
  }

  [[nodiscard]] Merge around(Block block) const noexcept {
    return {map_.free_ending_at(block.start), block, map_.free_starting_at(block.end())};
  }

  // Whether every node is sound that giving back the middle, or a part of it, reads or writes.
  [[nodiscard]] bool vet(const Merge& merge, Fault& fault) const noexcept {
    const auto& [left, middle, right] = merge;
    if (!left && !right) return policy_.vet_place(middle.start, fault);
    return (!left || policy_.vet(left, fault)) && (!right || policy_.vet(right, fault));
  }

  [[nodiscard]] bool fits_in_place(Block block, Size size, Size align) const noexcept {
    if (size > largest_region || !blocks_.is_aligned(payload_of(block.start), align)) return false;
    return extent_for(size) <= block.extent + map_.free_starting_at(block.end()).extent;
  }

  [[nodiscard]] bool all_sound(std::span<const Offset> payloads, std::size_t& refused,
                               Fault& fault) const noexcept {
    Live live;
    for (refused = 0; refused < payloads.size(); ++refused) {
      if (!judge_.live(payloads[refused], live, fault) || !vet(around(live.block), fault))
        return false;
    }
    return true;
  }

  // Marks each block as free in the map, so that one that comes twice is seen the second time, and
  // then takes the marks away again. Each payload has been found to be a live block's.
  [[nodiscard]] bool all_distinct(std::span<const Offset> payloads, std::size_t& refused,
                                  Fault& fault) noexcept {
    for (refused = 0; refused < payloads.size(); ++refused) {
      const Offset start = start_of(payloads[refused]);
      if (map_.free_at(start)) break;
      map_.make_free(map_.block_at(start));
    }
    for (const Offset payload : payloads.first(refused))
      map_.make_live(map_.block_at(start_of(payload)));
    if (refused < payloads.size()) fault.kind = FaultKind::double_free;
    return refused == payloads.size();
  }

  // Only where the headers are sound: their sizes are what is summed.
  void inspect_counters(Findings& findings) const {
    Size requested = 0;
    Size taken = 0;
    for (const Block block : Walk(map_)) {
      if (map_.free_at(block.start)) continue;
      requested += blocks_.header(block.start).size;
      taken += block.extent;
    }
    if (requested == tally_.requested && taken == tally_.taken) return;
    findings.push_back({.kind = FaultKind::header_corrupted,
                        .rule = Rule::counters,
                        .expected = tally_.requested,
                        .found = requested});
  }

  // --- Right of the bar: these write, and cannot fail. ------------------------------------------

  Block take(const Slot& slot, Size size) noexcept {
    const Block taken = split(slot, extent_for(size));
    blocks_.write_header(taken.start, size, ++serial_);
    tally_.add(size, taken);
    return taken;
  }

  // | from ................................ |
  // | gap, if aligned | taken | rest, if any |
  Block split(const Slot& slot, Size extent) noexcept {
    const Block from = slot.from;
    const Block taken{slot.start, extent};
    const Block rest{taken.end(), from.end() - taken.end()};
    if (taken.start == from.start) {
      map_.make_live(taken);
      if (rest) map_.add_free(rest);
      put_in_place_of(from, rest);
    } else {
      leave_gap(from, taken, rest);
    }
    return taken;
  }

  [[gnu::noinline]] void leave_gap(Block from, Block taken, Block rest) noexcept {
    const Block gap{from.start, taken.start - from.start};
    map_.make_live(from);
    map_.make_free(gap);
    map_.add_live(taken);
    if (rest) map_.add_free(rest);
    policy_.replace(from, gap);
    if (rest) policy_.insert(rest);
  }

  void put_in_place_of(Block from, Block rest) noexcept {
    if (rest) {
      policy_.replace(from, rest);
    } else {
      policy_.erase(from);
    }
  }

  void give_back(const Live& freed, const Merge& merge) noexcept {
    tally_.subtract(freed.size, freed.block);
    wipe(freed.block);
    coalesce(merge);
  }

  void wipe(Block block) noexcept {
    if (zero_on_free_) blocks_.zero(block.start, block.extent);
  }

  // Makes the middle free and one with its free neighbours:
  //
  //     (live) middle (live)     insert(middle)
  //     left   middle (live)     replace(left, left + middle)
  //     (live) middle right      replace(right, middle + right)
  //     left   middle right      erase(right), replace(left, all three)
  void coalesce(const Merge& merge) noexcept {
    const auto& [left, middle, right] = merge;
    const Block whole{left ? left.start : middle.start, left.extent + middle.extent + right.extent};
    mark(merge, whole);
    if (left && right) policy_.erase(right);
    if (left || right) {
      policy_.replace(left ? left : right, whole);
    } else {
      policy_.insert(whole);
    }
    if (left) retire(middle);
    if (right) retire(right);
  }

  // The front of a block that is no more, inside a free one.
  void retire(Block block) noexcept {
    blocks_.scrub(block.start);
    if (block.extent == front_size) map_.note_empty(block.start);
  }

  void mark(const Merge& merge, Block whole) noexcept {
    const auto& [left, middle, right] = merge;
    if (right) map_.drop_free(right);
    if (left) {
      map_.drop_live(middle);
      map_.extend_free(left, whole);
    } else {
      map_.make_free(whole);
    }
  }

  Block resize(const Live& live, Size size) noexcept {
    const Block was = live.block;
    const Block now{was.start, extent_for(size)};
    if (now.extent > was.extent) grow(was, now.end());
    blocks_.write_header(now.start, size, live.serial);
    tally_.subtract(live.size, was);
    tally_.add(size, now);
    if (now.extent < was.extent) give_back_tail({now.end(), was.extent - now.extent});
    return now;
  }

  // The end of a live block becomes a block of its own, and is freed.
  void give_back_tail(Block tail) noexcept {
    map_.add_live(tail);
    wipe(tail);
    coalesce(around(tail));
  }

  // Moves the border between `block` and its free right neighbour up to `end`.
  void grow(Block block, Offset end) noexcept {
    const Block right = map_.free_starting_at(block.end());
    const Block rest{end, right.end() - end};
    map_.drop_free(right);
    if (rest) map_.add_free(rest);
    put_in_place_of(right, rest);
    blocks_.scrub(right.start);
  }

  Block move(const Live& live, Size size, Size align, Fault& fault) noexcept {
    const Slot slot = find_free(size, align, fault);
    if (!slot) return {};
    tally_.subtract(live.size, live.block);  // before the new one counts: no peak of both
    const Block now = take(slot, size);
    blocks_.copy(payload_of(now.start), payload_of(live.block.start), std::min(size, live.size));
    wipe(live.block);
    coalesce(around(live.block));
    return now;
  }

  // --- A batch that succeeds whole or changes nothing. ------------------------------------------

  // Taking a block writes a node behind it, into bytes that were inside a free block. Giving it
  // back leaves zeros there; so only what was not zero is noted.
  void note(Offset rest, Offset end, Notes& notes) const {
    if (rest == end) return;
    const header_t front = blocks_.save(rest);
    const header_t zeros{};
    if (std::memcmp(&front, &zeros, sizeof front) != 0) notes.push_back({rest, front});
  }

  void undo(std::span<const Offset> payloads, const Notes& notes, const State& before) noexcept {
    const std::uint64_t failures = tally_.failures;
    for (const Offset payload : std::views::reverse(payloads))
      coalesce(around(map_.block_at(start_of(payload))));
    for (const Note& note : std::views::reverse(notes)) blocks_.restore(note.at, note.front);
    tally_ = before.tally;
    tally_.failures = failures;
    serial_ = before.serial;
  }

  Blocks blocks_;
  BlockMap map_;
  Judge judge_;
  P policy_;
  Tally tally_;
  std::uint16_t serial_ = 0;
  bool zero_on_free_;
};

}  // namespace glassheap
