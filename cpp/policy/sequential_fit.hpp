// sequential_fit.hpp: the textbook's free list, searched by walking it: any fit, any list order.
//
// Problem. Show what the rules of a textbook do in real bytes, one for one. Three fits, five list
// orders, coalescing or none: thirty heaps, and each returns the addresses that the free-space
// chapter of Operating Systems: Three Easy Pieces gives for it. This policy is the definition of
// first, best and worst fit; the policies of these names must agree with it.
//
// Structure. One list (block/records.hpp), and nothing else.
//
//     find     in list order: the first block that fits; or the smallest, or the largest, and of
//              equals the one that is earlier in the list
//     split    the low end is taken, the rest keeps the place, and nothing is sorted
//     free     to the front, or to the back, or to the back and the whole list sorted, stably
//     merge    one pass in list order: a block and its successor in the list, if that starts where
//              the block ends. Complete in address order, and only there
//
// Invariant. Every free block is in the list, at the place that its node gives.
// Cost. malloc and free O(n). A freed block is placed by insertion sort, from the back; each block
// that was split or has grown since the last sort may take as long again.
#pragma once

#include "block/records.hpp"
#include "glassheap/options.hpp"
#include "policy/policy.hpp"

namespace glassheap {

// The rules of one such heap.
struct Sequence {
  Fit fit = Fit::first;
  Order order = Order::address;
  bool coalesce = true;
};

class SequentialFit : public PolicyBase<SequentialFit> {
 public:
  static constexpr PolicyDescription description{
      .name = "sequential_fit",
      .summary = "first, best or worst fit over a plain list, exactly as in OSTEP",
      .cost = "malloc and free O(n)",
      .source = "R. and A. Arpaci-Dusseau, Operating Systems: Three Easy Pieces, chapter 17"};
  static constexpr Coalescing coalescing = Coalescing::list_pass;

  // The record of a block.
  using Place = Records::Number;
  struct Mark {
    Place before = Records::nil;  // the record before the block in the list
  };

  SequentialFit(BlockBytes& bytes, const BlockMap& map, Sequence sequence)
      : PolicyBase(bytes, map), records_(bytes, map, map.most_blocks()), sequence_(sequence) {}

  void clear() noexcept { records_.clear(); }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    records_.visit_state(visit);
  }
  [[nodiscard]] bool confine_state() noexcept { return records_.confine_state(); }
  [[nodiscard]] Size own_memory() const noexcept { return records_.own_memory(); }

  [[nodiscard]] Block find_free(const Request& request) const noexcept {
    Block best;
    Size left = map_.most_blocks();
    for (Place at = first(); records_.is_record(at) && left != 0; at = after(at), --left) {
      const Block block = records_.block(at);
      if (serves(block, request) && (!best || is_better(block.extent, best.extent))) best = block;
      if (best && sequence_.fit == Fit::first) break;
    }
    return best;
  }
  [[nodiscard]] Size largest() const noexcept { return map_.largest_free(); }

  [[nodiscard]] Offset linking_to(Block block) const noexcept {
    const Records& records = records_;
    return records.block(records.prev(place_of(block))).start;
  }

  [[nodiscard]] bool vet(Block block, Place& place) const noexcept {
    return records_.vet(block, place);
  }
  void explain(Block block, Fault& fault) const noexcept { records_.explain(block, fault); }
  [[nodiscard]] Place place_of(Block block) const noexcept { return records_.record_of(block); }

  void insert(Block block) noexcept {
    const Place place = records_.create();
    if (sequence_.order == Order::front) {
      records_.link(place, block, Records::nil, first());
      return;
    }
    records_.link(place, block, last(), Records::nil);
    if (sequence_.order != Order::back) sort();
  }
  void erase(Block /*block*/, Place place) noexcept {
    if (records_.is_record(place)) records_.unlink(place);
    records_.drop(place);
  }
  void replace(Block /*old*/, Place place, Block now) noexcept { records_.rewrite(place, now); }
  void insert_after(Block before, Block block) noexcept {
    const Place place = place_of(before);
    records_.link(records_.create(), block, place, after(place));
  }
  [[nodiscard]] Mark mark(Block from) const noexcept { return {records_.prev(place_of(from))}; }
  void restore(Block from, const Mark& mark) noexcept {
    records_.link(records_.create(), from, mark.before, after(mark.before));
  }

  // For the coalescing pass: whether it is to be made, and the list that it goes along. The record
  // after nil is the first.
  [[nodiscard]] bool coalesces() const noexcept { return sequence_.coalesce; }
  [[nodiscard]] bool coalesces_all() const noexcept {
    return sequence_.coalesce && sequence_.order == Order::address;
  }
  [[nodiscard]] Place first() const noexcept { return records_.next(Records::nil); }
  [[nodiscard]] Place after(Place place) const noexcept { return records_.next(place); }
  [[nodiscard]] Block block(Place place) const noexcept { return records_.block(place); }
  [[nodiscard]] bool is_place(Place place) const noexcept { return records_.is_record(place); }

  template <typename Visit>
  void list(Visit visit) const {
    records_.walk(first(), visit);
  }
  void inspect(Faults& faults) const {
    const std::size_t before = faults.size();
    PolicyBase::inspect(faults);
    Size listed = records_.unlisted_blocks();
    list([&](Block) { ++listed; });
    if (faults.size() == before && listed != map_.free_blocks())
      faults.push_back(unlisted(map_.free_blocks(), listed));
  }

 private:
  [[nodiscard]] bool is_better(Size extent, Size than) const noexcept {
    return sequence_.fit == Fit::best ? extent < than : extent > than;
  }

  // True if `later` must come before `earlier`.
  [[nodiscard]] bool is_out_of_order(Block earlier, Block later) const noexcept {
    switch (sequence_.order) {
      case Order::address:
        return earlier.start > later.start;
      case Order::size_up:
        return earlier.extent > later.extent;
      case Order::size_down:
        return earlier.extent < later.extent;
      default:
        return false;
    }
  }
  [[nodiscard]] Place last() const noexcept { return records_.prev(Records::nil); }

  // Insertion sort: moves each block that is too far back to its place among those before it. The
  // steps are counted, since records may change meanwhile in shared memory.
  [[gnu::noinline]] void sort() noexcept {
    Size left = map_.most_blocks();
    for (Place at = first(); records_.is_record(at) && left != 0; --left) {
      const Place next = after(at);
      const Place before = place_for(at);
      if (before != records_.prev(at)) move_after(at, before);
      at = next;
    }
  }
  // The record of the block that must come before this one, which may be too far back.
  [[nodiscard]] Place place_for(Place place) const noexcept {
    Size left = map_.most_blocks();
    const Block block = records_.block(place);
    Place before = records_.prev(place);
    for (; records_.is_record(before) && left != 0; before = records_.prev(before), --left) {
      if (!is_out_of_order(records_.block(before), block)) break;
    }
    return before;
  }
  void move_after(Place place, Place before) noexcept {
    const Block block = records_.block(place);
    if (!block) return;  // another program has written into the record
    records_.unlink(place);
    records_.link(place, block, before, after(before));
  }

  Records records_;
  Sequence sequence_;
};

}  // namespace glassheap
