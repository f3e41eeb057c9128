// quick_fit.hpp: a freed block is kept as it is, for the next request of its size.
//
// Problem. A program frees a block, and soon asks for one of the same size. To coalesce the first
// and split it again for the second is work for nothing.
//
// Structure. The bins of segregated fit. A freed block below 1 KiB goes to the front of the bin of
// its exact extent, and no neighbour of it is looked at; a request takes it from there, whole. The
// blocks join later, all in one pass (space/deferred.hpp): before a request is refused, if that
// then serves it, and when there are many more free blocks than live ones. A larger block
// coalesces at its release, because it is costly to miss and seldom asked for again.
//
//     free 48, 32, 48    bins   32 -> c       48 -> d -> b        | a | b | c | d | e |   d is last
//     malloc 48          bins   32 -> c       48 -> b             | a | b | c | d | e |   takes d
//     a pass             bins   80 -> b c                         | a | b   c | d | e |
//
// What it gives up. Free blocks may touch. So largest() is the largest block as it is, and a larger
// request may be served still, after a pass; and until there is one, a large request is split off
// the top although small blocks elsewhere would together be large enough.
//
// Invariant. As in segregated fit.
// Cost. malloc and free O(1). A pass is O(n) for n free blocks, and joins enough of them to pay for
// the time since the last one; only one before a request that would be refused may come early.
#pragma once

#include "policy/segregated_fit.hpp"

namespace glassheap {

class QuickFit : public SegregatedFit {
 public:
  static constexpr PolicyDescription description{
      .name = "quick_fit",
      .summary = "a block that was freed at that size, from bins by size",
      .cost = "malloc and free O(1), amortised",
      .source = "C. Weinstock and W. Wulf, Quick Fit, SIGPLAN Notices 1988; D. Lea (fastbins)"};
  static constexpr Coalescing coalescing = Coalescing::deferred;

  using SegregatedFit::SegregatedFit;
};

static_assert(Policy<QuickFit>);

}  // namespace glassheap
