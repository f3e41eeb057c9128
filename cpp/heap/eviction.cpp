#include "heap/eviction.hpp"

#include <algorithm>

#include "core/policy_list.hpp"
#include "heap/played_list.hpp"
#include "heap/window_sum.hpp"

namespace glassheap {
namespace {

// Of equal windows, the first that is offered stays.
void keep_cheaper(Window& best, const Window& other) noexcept {
  if (other.cost < best.cost) best = other;
}

auto sum_over(std::span<const Candidate> blocks) {
  return WindowSum(blocks.size(), [blocks](std::size_t i) { return blocks[i].cost; });
}

}  // namespace

std::optional<Window> EvictionSearch::cheapest(const Request& request) const {
  const bool joins = options_.coalesce.value_or(true);
  const bool by_address = options_.order.value_or(Order::address) == Order::address;
  Window best;
  if (bytes_.layout.powers_of_two) {
    best = cheapest_buddy(request);
  } else if (!is_sequential() || (joins && by_address)) {
    best = cheapest_run(request);
  } else {
    best = joins ? cheapest_in_list_order(request) : cheapest_block(request);
  }
  return best.cost < must_stay ? std::optional(best) : std::nullopt;
}

bool EvictionSearch::is_sequential() const noexcept { return takes_sequence(options_.policy); }

bool EvictionSearch::serves(Block hole, const Request& request) const noexcept {
  return hole.extent >= request.extent && bytes_.place(hole, request).has_value();
}

Block EvictionSearch::run(std::size_t first, std::size_t end) const noexcept {
  const Offset start = blocks_[first].block.start;
  return {start, blocks_[end - 1].block.end() - start};
}

// The run, and the free blocks on either side.
Block EvictionSearch::widened(std::size_t first, std::size_t end) const noexcept {
  while (first > 0 && !blocks_[first - 1].live) --first;
  while (end < blocks_.size() && !blocks_[end].live) ++end;
  return run(first, end);
}

// --- Neighbours. -------------------------------------------------------------------------------

Window EvictionSearch::cheapest_run(const Request& request) const {
  Window best;
  auto window = sum_over(blocks_);
  while (window.end() < blocks_.size()) {
    window.move_end();
    while (window.first() + 1 < window.end() &&
           serves(run(window.first() + 1, window.end()), request))
      window.move_first();
    const auto [first, end] = std::pair(window.first(), window.end());
    if (window.sum() < best.cost && serves(run(first, end), request))
      best = {first, end, window.sum(), widened(first, end)};
  }
  return best;
}

Window EvictionSearch::cheapest_block(const Request& request) const {
  Window best;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (serves(blocks_[i].block, request))
      keep_cheaper(best, {i, i + 1, blocks_[i].cost, blocks_[i].block});
  }
  return best;
}

// --- Buddies. ----------------------------------------------------------------------------------

namespace {

// The places of blocks of one order that can serve a request: first, first + period, ...
struct Row {
  Size extent = 0;
  Offset first = 0;
  Size period = 0;

  // Calls visit(place) for the last place up to the start of the block, and for the one behind it:
  // all other places within the block touch no other block either.
  template <typename Visit>
  void visit_around(Block block, Visit visit) const {
    const Size before = block.start < first ? 0 : (block.start - first) / period;
    visit(first + before * period);
    visit(first + (before + 1) * period);
  }
};

// All places with the same remainder modulo the alignment serve a request, or none does.
std::optional<Row> row_of(const BlockBytes& bytes, Size extent, const Request& request) {
  if (request.align <= extent) {
    if (!bytes.place({0, extent}, request)) return std::nullopt;
    return Row{extent, 0, extent};
  }
  const std::optional<Offset> start = bytes.place({0, bytes.size()}, request);
  if (!start) return std::nullopt;
  const Offset first = round_down(*start, extent);
  if (*start + request.extent > first + extent) return std::nullopt;
  return Row{extent, first, request.align};
}

// Each place that touches a block is a window, so also one that is free already.
Window cheapest_in(const Row& row, std::span<const Candidate> blocks, Size region) {
  Window best;
  auto window = sum_over(blocks);
  const auto look = [&](Offset start) {
    const Block hole{start, row.extent};
    if (hole.end() > region) return;
    while (window.end() < blocks.size() && blocks[window.end()].block.start < hole.end())
      window.move_end();
    while (blocks[window.first()].block.end() <= start) window.move_first();
    keep_cheaper(best, {window.first(), window.end(), window.sum(), hole});
  };
  for (const Candidate& candidate : blocks) row.visit_around(candidate.block, look);
  return best;
}

}  // namespace

// A place of a larger order that serves the request has one of the least order in it.
Window EvictionSearch::cheapest_buddy(const Request& request) const {
  Window best;
  std::optional<Row> row;
  for (Size extent = request.extent; extent <= bytes_.size() && !row; extent *= 2)
    row = row_of(bytes_, extent, request);
  if (row) best = cheapest_in(*row, blocks_, bytes_.size());
  if (best.cost < must_stay) best.hole = merged_buddy(best);
  return best;
}

// What the hole merges to: it doubles as long as no live block stands in the other half.
Block EvictionSearch::merged_buddy(Window window) const noexcept {
  Block hole = window.hole;
  while (true) {
    const Size extent = 2 * hole.extent;
    const Block whole{round_down(hole.start, extent), extent};
    if (whole.end() > bytes_.size()) return hole;
    while (window.first > 0 && blocks_[window.first].block.start > whole.start)
      if (blocks_[--window.first].live) return hole;
    while (window.end < blocks_.size() && blocks_[window.end - 1].block.end() < whole.end())
      if (blocks_[window.end++].live) return hole;
    hole = whole;
  }
}

// --- In list order. ----------------------------------------------------------------------------

Window EvictionSearch::cheapest_in_list_order(const Request& request) const {
  Window best;
  for (std::size_t first = 0; first < blocks_.size(); ++first) {
    const Block block = blocks_[first].block;
    if (blocks_[first].live) {
      keep_cheaper(best, played_from(first, request, best.cost));
    } else if (serves(block, request)) {
      keep_cheaper(best, {first, first + 1, 0, block});
    }
  }
  return best;
}

// Frees one block after the other from this one on, until they are one hole that serves the request,
// or cost too much.
Window EvictionSearch::played_from(std::size_t first, const Request& request, double limit) const {
  PlayedList list(list_, options_.order.value_or(Order::address));
  double cost = 0;
  for (std::size_t i = first; i < blocks_.size(); ++i) {
    if (!blocks_[i].live) continue;
    cost += blocks_[i].cost;
    if (!(cost < limit)) break;
    list.release(blocks_[i].block);
    const Block hole = list.around(blocks_[first].block.start);
    if (hole.end() >= blocks_[i].block.end() && serves(hole, request))
      return {first, i + 1, cost, hole};
  }
  return {};
}

}  // namespace glassheap
