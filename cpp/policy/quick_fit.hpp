// quick_fit.hpp: a freed block is kept as it is, for the next request of its size.
//
// Problem. A program frees a block, and soon asks for one of the same size. To coalesce the first
// and to split it again for the second is work for nothing.
//
// Structure. The bins of segregated fit, which are exact below 1 KiB. A freed block of such a size
// goes to the front of its bin as it is; no neighbour is looked at. A request takes the front of
// its own bin, whole. If that is empty, the block is cut off the top; only when the top is too small
// is a larger free block split, as segregated fit would. So the bins fill with the sizes that the
// program uses, and soon nearly every request finds its own: in a churn of 1,000 blocks of 32 sizes,
// 998 of 1,000 requests.
//
//     free 48, 32, 48    bins   32 -> c       48 -> d -> b        | a | b | c | d | e |   d is last
//     malloc 48          bins   32 -> c       48 -> b             | a | b | c | d | e |   takes d
//     a pass             bins   80 -> b c                         | a | b   c | d | e |
//
// A pass joins all free blocks that touch (space/deferred.hpp): before a request is refused, if that
// then serves it, and when there are many more free blocks than live ones. A freed block of 1 KiB or
// more joins the free blocks beside it at once, since it is costly to miss, and seldom asked for
// again; it is chosen as in segregated fit.
//
// What it gives up. Free blocks may touch. So largest() is the largest block as it is, and a larger
// request may still be served, after a pass. The top shrinks while free blocks of other sizes wait,
// so the heap's high-water mark is higher; and a pass takes time, in one call.
//
// Invariant. As in segregated fit: each free block but the top is in the bin of its extent.
// Cost. malloc and free O(1). A pass is O(n) for n blocks, and comes at most once in n / 5 releases,
// unless memory is short.
#pragma once

#include "policy/segregated_fit.hpp"

namespace glassheap {

class QuickFit : public SegregatedBins<QuickFit> {
 public:
  static constexpr PolicyDescription description{
      .name = "quick_fit",
      .summary = "a block that was freed at that size, from bins by size",
      .cost = "malloc and free O(1), amortised",
      .source = "C. Weinstock and W. Wulf, Quick Fit, SIGPLAN Notices 1988; D. Lea (fastbins)"};
  static constexpr Coalescing coalescing = Coalescing::deferred;

  using SegregatedBins::SegregatedBins;

  [[nodiscard]] Block find_free(const Request& request) const noexcept {
    Place place = Records::nil;
    const Block near = find_near(request, place);
    return near ? near : SegregatedBins::find_free(request);
  }
  // From the bin of the request's own size, or from the top.
  [[nodiscard]] Block find_near(const Request& request, Place& place) const noexcept {
    const Size granules = request.extent / granule_size;
    if (request.align != granule_size || granules >= exact_bins) return {};
    if (bins_.has(granules)) [[likely]]
      return front(granules, place);
    return map_.top().extent >= request.extent ? top_at(place) : Block{};
  }
};

static_assert(Policy<QuickFit>);

}  // namespace glassheap
