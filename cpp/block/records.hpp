// records.hpp: the links of the free blocks, kept outside the region.
//
// A program can overwrite a node, but not a record. So nothing is followed through the region: a
// list is a list of records, and a node only names the record of its block.
//
//     region     | size : u64 | next : u32 | record : u32 |     the node of a free block
//                                                 |
//     records    | start : u32 | extent : u32 | next : u32 | prev : u32 |     16 bytes a free block
//
// start and extent count granules; next and prev are the numbers of records, or nil. The node's
// `next` repeats the list for a reader of the region: it is the start of the next free block, and
// stays true, since an update rewrites the `next` of the block before.
//
// A node is compared with its record when its block is taken or merged: the record must say that
// the block starts there, and size and next must be those of the record. Two comparisons more than a
// textbook makes, and no neighbour's node is read.
//
// The number of records is a power of two, and the last one is the end, which is in every list: what
// follows the last block of a list, and precedes the first. A link is cut to as many bits before it
// is used. So nil, all ones, leads to the end without a branch; and whatever another program has
// written into the memory of a shared heap leads to some record. The start of the end is nil.
//
//     | 0 | 1 | 2 | ... | 2^k - 2 | end |
//
// The records of a shared heap lie in the segment, which has room for fewer than the blocks that may
// be free. A block without one is unlisted: its node names no record, and it is found in the map.
//
// Cost: O(1) a call.
#pragma once

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "block/block.hpp"
#include "block/block_map.hpp"
#include "glassheap/fault.hpp"

namespace glassheap {

// The fault of a list that has fewer blocks than the map has free ones.
[[nodiscard]] inline Fault unlisted(Size blocks, Size listed) noexcept {
  return {.kind = FaultKind::free_list_corrupted,
          .rule = Rule::listed,
          .expected = blocks,
          .found = listed};
}

class Records {
 public:
  using Number = std::uint32_t;
  static constexpr Number nil = GLASSHEAP_NIL;

  struct Record {
    std::uint32_t start, extent;
    Number next, prev;
  };

  // Room for at least `least` records. Throws std::bad_alloc if and only if there is no memory.
  Records(BlockBytes& bytes, const BlockMap& map, Size least)
      : bytes_(bytes),
        map_(map),
        end_(static_cast<Number>(std::bit_ceil(std::min<Size>(least, nil / 2) + 1) - 1)),
        records_(map.arena().take<Record>(Size{end_} + 1)) {
    if (!map.arena().is_borrowed()) clear();
  }

  void clear() noexcept {
    used_ = 0;
    spare_ = nil;
    unlisted_ = 0;
    records_[end_] = {nil, 0, nil, nil};
  }
  [[nodiscard]] Size own_memory() const noexcept { return (Size{used_} + 1) * sizeof(Record); }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    visit(used_);
    visit(spare_);
    visit(unlisted_);
  }
  // Returns true if these numbers are possible. Wrong ones become those of no record.
  [[nodiscard]] bool confine_state() noexcept {
    if (used_ <= end_ && (spare_ < used_ || spare_ == nil) && unlisted_ <= map_.most_blocks())
      return true;
    used_ = 0;
    spare_ = nil;
    unlisted_ = 0;
    return false;
  }

  // --- Queries. -----------------------------------------------------------------------------------

  // The record after or before one in its list; the first and the last if that is nil, and there is
  // one list only.
  [[nodiscard]] Number next(Number record) const noexcept { return at(record).next; }
  [[nodiscard]] Number prev(Number record) const noexcept { return at(record).prev; }
  [[nodiscard]] bool is_record(Number record) const noexcept { return record < end_; }
  // The block of a record; no block for nil, and for a record that leads out of the region.
  [[nodiscard]] Block block(Number record) const noexcept {
    const Record& found = at(record);
    const Offset start = start_of(found);
    if (start >= map_.region_size()) return {};
    return {start, Size{found.extent} * granule_size};
  }
  // The number of free blocks without a record.
  [[nodiscard]] Size unlisted_blocks() const noexcept { return unlisted_; }

  // Returns true if the links in the node of `block`, which is free, are sound; and sets its record.
  // Records from used_ on may be those of an earlier list.
  [[nodiscard]] bool vet(Block block, Number& record) const noexcept {
    const node_t node = bytes_.node(block.start);
    record = node.record;
    const Record& found = at(record);
    const bool sound = record < used_ && found.start == link_to(block.start) &&
                       found.extent == granules(block) && node.next == at(found.next).start;
    return sound || (unlisted_ != 0 && node.record == nil && node.next == nil);
  }
  // The same for a block that was found by its record.
  [[nodiscard]] bool vet_at(Block block, Number record) const noexcept {
    return bytes_.links_to(block.start, at(at(record).next).start, record);
  }
  // The record of a block that was vetted; nil if it has none.
  [[nodiscard]] Number record_of(Block block) const noexcept {
    const Number record = bytes_.node(block.start).record;
    return at(record).start == link_to(block.start) ? record : nil;
  }
  // Returns true if the node of a block names any record.
  [[nodiscard]] bool names_record(Block block) const noexcept {
    return is_record(bytes_.node(block.start).record);
  }
  // Finds the wrong field of the unsound node of `block`. A node that is sound again, since another
  // program writes there, is said to have a wrong record.
  [[gnu::cold, gnu::noinline]] void explain(Block block, Fault& fault) const noexcept;

  // Calls visit(block) for the list that begins with `record`, up to the first unsound node.
  // Returns true if there is none.
  template <typename Visit>
  // Most callers need only the visits. NOLINTNEXTLINE(modernize-use-nodiscard)
  bool walk(Number record, Visit visit) const {
    Size left = map_.most_blocks();
    for (; is_record(record) && left != 0; record = next(record), --left) {
      const Block here = block(record);
      Number named = nil;
      if (!is_free(here) || !bytes_.offers(here) || !vet(here, named)) return false;
      visit(here);
    }
    return !is_record(record);
  }
  // Calls visit(block) for the sound blocks without a record, in address order.
  template <typename Visit>
  void walk_unlisted(Visit visit) const {
    if (unlisted_ == 0) return;
    for (Offset at = map_.free_from(0); at != nowhere; at = map_.free_from(at + granule_size)) {
      const Block block = map_.block_at(at);
      Number record = nil;
      if (vet(block, record) && !is_record(record)) visit(block);
    }
  }
  // Returns true if the map has this free block. A record in shared memory may say anything.
  [[nodiscard]] bool is_free(Block block) const noexcept {
    return block.start < map_.region_size() && map_.free_starting_at(block.start) == block;
  }

  // --- Updates. -----------------------------------------------------------------------------------

  // A record for a block that becomes free; nil if none is left.
  [[nodiscard]] Number create() noexcept {
    const Number record = spare_;
    if (record < end_) {
      spare_ = records_[record].next;
      return record;
    }
    return used_ < end_ ? used_++ : nil;
  }
  // Gives a record back.
  void drop(Number record) noexcept {
    if (record >= end_) {
      --unlisted_;
      return;
    }
    Record& dropped = records_[record];
    dropped.start = nil;
    dropped.next = spare_;
    spare_ = record;
    crash_point();
  }
  // Links a record with the block between two others, and writes the links of its node.
  void link(Number record, Block block, Number prev, Number next) noexcept {
    if (record >= end_) {
      link_none(block);
      return;
    }
    records_[record] = {link_to(block.start), granules(block), next, prev};
    Record& after = at(next);
    after.prev = record;
    bytes_.write_links(block.start, after.start, record);
    connect(prev, record, after.start, link_to(block.start));
  }
  // Links a record, not nil, in front of a list that begins with `head`: that one has no `prev` yet.
  void link_front(Number record, Block block, Number head) noexcept {
    records_[record] = {link_to(block.start), granules(block), head, nil};
    Record& after = at(head);
    after.prev = record;
    bytes_.write_links(block.start, after.start, record);
  }
  // The same for an empty list.
  void link_alone(Number record, Block block) noexcept {
    records_[record] = {link_to(block.start), granules(block), nil, nil};
    bytes_.write_links(block.start, nil, record);
  }
  // Takes a record, not nil, out of its list: one that is first in it, and any other. The first one
  // returns the record after it.
  Number unlink_front(Number record) noexcept {
    const Number next = at(record).next;
    at(next).prev = nil;
    crash_point();
    return next;
  }
  void unlink(Number record) noexcept {
    const Record& gone = at(record);
    const Number next = gone.next;
    Record& after = at(next);
    after.prev = gone.prev;
    connect(gone.prev, next, gone.start, after.start);
  }
  // The block of a record has become `now`, and keeps its place in the list.
  void rewrite(Number record, Block now) noexcept {
    if (record >= end_) {
      bytes_.write_links(now.start, nil, nil);
      return;
    }
    Record& changed = records_[record];
    const std::uint32_t old = std::exchange(changed.start, link_to(now.start));
    changed.extent = granules(now);
    bytes_.write_links(now.start, at(changed.next).start, record);
    connect(changed.prev, record, old, link_to(now.start));
  }

  // All records, to put them back as they were. Throws std::bad_alloc if there is no memory for it.
  struct Snapshot {
    std::vector<Record> records;
    Number spare;
    Size unlisted;
  };
  [[nodiscard]] Snapshot snapshot() const {
    return {{records_.get(), records_.get() + used_}, spare_, unlisted_};
  }
  void restore(const Snapshot& before) noexcept {
    std::ranges::copy(before.records, records_.get());
    used_ = static_cast<Number>(before.records.size());
    spare_ = before.spare;
    unlisted_ = before.unlisted;
  }

  // Writes the node of a block for which there is no record.
  void link_none(Block block) noexcept {
    ++unlisted_;
    bytes_.write_links(block.start, nil, nil);
  }

 private:
  [[nodiscard]] static std::uint32_t granules(Block block) noexcept {
    return static_cast<std::uint32_t>(block.extent / granule_size);
  }
  // One load, so that what was compared with a bound is what is used.
  [[nodiscard]] static Offset start_of(const Record& record) noexcept {
    const volatile std::uint32_t& start = record.start;
    return linked(start);
  }
  [[nodiscard]] Record& at(Number record) noexcept { return records_[record & end_]; }
  [[nodiscard]] const Record& at(Number record) const noexcept { return records_[record & end_]; }

  // Makes `prev` link to `next`, whose block starts at `start`, in place of the one that starts, or
  // started, at `old`. The end has no node.
  void connect(Number prev, Number next, std::uint32_t old, std::uint32_t start) noexcept {
    Record& before = at(prev);
    before.next = next;
    const Offset node = start_of(before);
    if (node < map_.region_size()) bytes_.replace_next(node, old, start);
    crash_point();
  }

  BlockBytes& bytes_;
  const BlockMap& map_;
  const Number end_;
  ZeroedArray<Record> records_;
  Number used_ = 0;     // records from here on have never been used
  Number spare_ = nil;  // the first of those that were given back, linked by `next`
  Size unlisted_ = 0;
};

}  // namespace glassheap
