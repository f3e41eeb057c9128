// worst_fit.hpp: the largest free block.
//
// Problem. The rest of a split should be large enough to be of use; so split the largest block, and
// of equals the lowest. The idea is plausible, and its failure shows what matters: all large blocks
// are soon gone. It fragments far more than the other fits do, and how much depends on the size of
// the region.
//
// Structure. The list in address order, for the reader of the region (address_list.hpp), and an
// index by size (size_index.hpp). The top, most often the largest block of all, is compared with
// the block from the index.
//
// Invariant. The index has every free block but the top, under its size.
// Cost. malloc and free O(log n); a malloc with align > 16 may pass blocks that are not aligned.
#pragma once

#include "policy/size_index.hpp"

namespace glassheap {

class WorstFit : public SizeFit<WorstFit> {
 public:
  static constexpr PolicyDescription description{
      .name = "worst_fit",
      .summary = "the largest block, and the lowest of equals",
      .cost = "malloc and free O(log n)",
      .source = "R. and A. Arpaci-Dusseau, Operating Systems: Three Easy Pieces, chapter 17"};

  using SizeFit::SizeFit;

  [[nodiscard]] Block find_free(const Request& request, Fault& /*fault*/) const noexcept {
    const Block top = top_for(request);
    const Size limit = top ? top.extent : request.extent;  // a smaller block is no better
    Size extent = index_.largest();
    for (; extent != 0 && extent >= limit; extent = index_.largest_below(extent)) {
      if (const Block block = lowest_of_size(extent, request)) return block;
    }
    return top;
  }
};

static_assert(Policy<WorstFit>);

}  // namespace glassheap
