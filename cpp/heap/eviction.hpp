// eviction.hpp: the cheapest live blocks whose release makes one hole that serves a request.
//
// Blocks that are freed make one hole if they are neighbours: what they leave is one run of a walk, its
// free blocks included. So a search is a window over the walk, and the cost of a window is the sum over
// its live blocks:
//
//     | live 3 | free | live 5 | live 9 | free | live 2 |
//              <----- 5 ------>                              a window; its hole ends at the 9
//
// How free blocks coalesce decides which windows there are, a function each:
//
//     at once, or before a request is refused    every run of blocks. Whatever serves a request also
//                                                does if it is larger, so for each end there is one
//                                                start to look at, and neither ever goes back: O(n)
//     buddies      a power of two at a multiple of itself, of the least order that can serve the
//                  request: O(n)
//     never        each block alone: O(n)
//     in list order, which is not by address     the list is played, block by block: O(n^3 log n)
//
// Everything here is computed from a copy of the blocks, without the heap's lock.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "block/block.hpp"
#include "glassheap/options.hpp"

namespace glassheap {

inline constexpr double must_stay = std::numeric_limits<double>::infinity();

// A block of the walk, and the cost of its release: 0 if it is free, `must_stay` if it is pinned.
struct Candidate {
  Block block;
  bool live = false;
  double cost = 0;
};

// A run of candidates; freeing its live ones makes the hole.
struct Window {
  std::size_t first = 0;
  std::size_t end = 0;
  double cost = must_stay;
  Block hole;
};

// The blocks of a heap at one time, and the rules by which they coalesce.
class EvictionSearch {
 public:
  // `list` are the free blocks in list order, for a heap whose list is not by address.
  EvictionSearch(const BlockBytes& bytes, const Options& options, std::span<const Candidate> blocks,
                 std::span<const Block> list)
      : bytes_(bytes), options_(options), blocks_(blocks), list_(list) {}

  // The window of least cost; of equal ones, that with the lowest end. None if no window serves the
  // request without a block that must stay. If the request can be served now, the window costs 0, and
  // has no live block.
  [[nodiscard]] std::optional<Window> cheapest(const Request& request) const;

 private:
  [[nodiscard]] Window cheapest_run(const Request& request) const;
  [[nodiscard]] Window cheapest_block(const Request& request) const;
  [[nodiscard]] Window cheapest_buddy(const Request& request) const;
  [[nodiscard]] Window cheapest_in_list_order(const Request& request) const;
  [[nodiscard]] Window played_from(std::size_t first, const Request& request, double limit) const;

  [[nodiscard]] bool serves(Block hole, const Request& request) const noexcept;
  [[nodiscard]] Block run(std::size_t first, std::size_t end) const noexcept;
  [[nodiscard]] Block widened(std::size_t first, std::size_t end) const noexcept;
  [[nodiscard]] Block merged_buddy(Window window) const noexcept;
  [[nodiscard]] bool is_sequential() const noexcept;

  const BlockBytes& bytes_;
  const Options& options_;
  std::span<const Candidate> blocks_;
  std::span<const Block> list_;
};

}  // namespace glassheap
