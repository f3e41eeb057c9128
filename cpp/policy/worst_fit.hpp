// worst_fit.hpp: the largest free block.
//
// Problem. The rest of a split should be large enough to be of use; so split the largest block, and
// of equals the lowest. The idea is plausible, and its failure shows what matters: all large blocks
// are soon gone. It fragments far more than the other fits do, and how much depends on the size of
// the region.
//
// Structure. The list in address order, for the reader of the region (address_list.hpp), and the
// index of first fit (chunk_index.hpp): its highest number is the extent of the largest block, and
// the first block with so many bytes is the lowest of the largest. The top, most often the largest
// block of all, is compared with that block.
//
// The largest block may have no room for an aligned payload. Then a walk goes upwards through the
// blocks that are larger than the best one so far.
//
// Invariant. The index has the extent of every free block but the top.
// Cost. malloc and free O(log n); a malloc with align > 16 may pass blocks that are not aligned.
#pragma once

#include "policy/chunk_index.hpp"

namespace glassheap {

class WorstFit : public AddressList<WorstFit, ChunkIndex> {
 public:
  static constexpr PolicyDescription description{
      .name = "worst_fit",
      .summary = "the largest block, and the lowest of equals",
      .cost = "malloc and free O(log n)",
      .source = "R. and A. Arpaci-Dusseau, Operating Systems: Three Easy Pieces, chapter 17"};

  using AddressList::AddressList;

  [[nodiscard]] Block find_free(const Request& request) const noexcept {
    const Block top = top_for(request);
    const Size least = std::max(request.extent, top.extent);  // a smaller block is no better
    const Size most = index_.largest();
    if (most < least) return top;
    const Block block = index_.first(most);
    return serves(block, request) ? block : largest_aligned(request, least, top);
  }

 private:
  // The largest block of at least `least` bytes that can serve the request, and the lowest of
  // equals; `otherwise` if there is none.
  [[gnu::cold, gnu::noinline, nodiscard]] Block largest_aligned(const Request& request, Size least,
                                                                Block otherwise) const noexcept {
    Block found = otherwise;
    for (Block block = index_.first(least); block;
         block = index_.first_from(block.start + granule_size, least)) {
      if (!serves(block, request)) continue;
      found = block;
      least = block.extent + granule_size;
    }
    return found;
  }
};

static_assert(Policy<WorstFit>);

}  // namespace glassheap
