// sequential_fit.hpp: the textbook's free list, searched by walking it: any fit, any list order.
//
// Problem. Show what the rules of a textbook do in real bytes, one for one. Three fits, five list
// orders, coalescing or none: thirty heaps, and each returns the addresses that the free-space
// chapter of Operating Systems: Three Easy Pieces gives for it. This policy is the definition of
// first, best and worst fit; the policies of these names must agree with it.
//
// Structure. One list (links.hpp), and nothing else.
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

#include "block/links.hpp"
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

  SequentialFit(BlockBytes& bytes, const BlockMap& map, Sequence sequence) noexcept
      : PolicyBase(bytes, map), links_(bytes, map), sequence_(sequence) {}

  void clear() noexcept { ends_ = {}; }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    visit(ends_);
  }
  [[nodiscard]] bool confine_state() noexcept { return links_.confine(ends_); }

  [[nodiscard]] Block find_free(const Request& request, Fault& fault) const noexcept {
    Block best;
    for (Block block = first(); block; block = after(block)) {
      if (!vet(block, fault)) return {};
      if (serves(block, request) && (!best || is_better(block.extent, best.extent))) best = block;
      if (best && sequence_.fit == Fit::first) break;
    }
    return best;
  }
  [[nodiscard]] Size largest() const noexcept { return map_.largest_free(); }

  [[nodiscard]] bool vet(Block block, Fault& fault) const noexcept {
    return links_.vet(ends_, block, fault);
  }
  // A freed block may go anywhere in the list, and merge with any other block: all are vetted.
  [[nodiscard]] bool vet_insert(Block /*block*/, Fault& fault) const noexcept {
    for (Block block = first(); block; block = after(block)) {
      if (!vet(block, fault)) return false;
    }
    return true;
  }
  [[nodiscard]] bool vet_replace(Block old, Block /*now*/, Fault& fault) const noexcept {
    return vet(old, fault);
  }

  void insert(Block block) noexcept {
    if (sequence_.order == Order::front) {
      links_.push_front(ends_, block);
      return;
    }
    links_.push_back(ends_, block);
    if (sequence_.order != Order::back) sort();
  }
  void erase(Block block) noexcept { links_.erase(ends_, block); }
  void replace(Block old, Block now) noexcept { links_.replace(ends_, old, now); }
  void insert_after(Block before, Block block) noexcept {
    links_.insert(ends_, block, before.start, links_.next(before.start));
  }
  void restore(Block from, const Mark& /*before*/) noexcept { links_.relink(ends_, from); }

  // For the coalescing pass: whether it is to be made, and the list that it goes along.
  [[nodiscard]] bool coalesces() const noexcept { return sequence_.coalesce; }
  [[nodiscard]] bool coalesces_all() const noexcept {
    return sequence_.coalesce && sequence_.order == Order::address;
  }
  [[nodiscard]] Block first() const noexcept { return links_.block_at(ends_.first()); }
  [[nodiscard]] Block after(Block block) const noexcept {
    return links_.block_at(links_.next(block.start));
  }

  template <typename Visit>
  void list(Visit visit) const {
    links_.walk(ends_, visit);
  }
  void inspect(Faults& faults) const {
    const std::size_t before = faults.size();
    PolicyBase::inspect(faults);
    Size listed = 0;
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
  // Insertion sort: moves each block that is too far back to its place among those before it. No
  // step is vetted again, so the steps are counted: links may change meanwhile in shared memory.
  [[gnu::noinline]] void sort() noexcept {
    Size left = map_.most_blocks();
    for (Block block = first(); block && left != 0; --left) {
      const Block next = after(block);
      const Offset before = place_of(block);
      if (before != links_.prev(block.start)) move_after(block, before);
      block = next;
    }
  }
  // The start of the block that must come before this one, which may be too far back.
  [[nodiscard]] Offset place_of(Block block) const noexcept {
    Size left = map_.most_blocks();
    Offset before = links_.prev(block.start);
    for (; before < map_.region_size() && left != 0; before = links_.prev(before), --left) {
      if (!is_out_of_order(map_.block_at(before), block)) break;
    }
    return before;
  }
  void move_after(Block block, Offset before) noexcept {
    links_.erase(ends_, block);
    const Offset next = before < map_.region_size() ? links_.next(before) : ends_.first();
    links_.insert(ends_, block, before, next);
  }

  Links<Top::listed> links_;
  ListEnds ends_;
  Sequence sequence_;
};

}  // namespace glassheap
