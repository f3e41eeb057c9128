// best_fit.hpp: the smallest free block that fits.
//
// Problem. Keep large blocks whole: of all free blocks that can serve a request, take the one
// nearest to it in size, and of equals the lowest. The remainders are small, and some are too small
// ever to be used again; all in all it fragments about as little as first fit does (Wilson,
// Johnstone, Neely and Boles 1995).
//
// Structure. The list in address order, for the reader of the region (address_list.hpp), and an
// index by size (size_index.hpp). The top is compared with the block from the index.
//
// Invariant. The index has every free block but the top, under its size.
// Cost. malloc and free O(log n); a malloc with align > 16 may pass blocks that are not aligned.
#pragma once

#include "policy/address_list.hpp"
#include "policy/size_index.hpp"

namespace glassheap {

class BestFit : public AddressList<BestFit, SizeIndex> {
 public:
  static constexpr PolicyDescription description{
      .name = "best_fit",
      .summary = "the smallest block that fits, and the lowest of equals",
      .cost = "malloc and free O(log n)",
      .source = "D. E. Knuth, The Art of Computer Programming, volume 1, section 2.5"};

  using AddressList::AddressList;

  [[nodiscard]] Block find_free(const Request& request) const noexcept {
    const Block top = top_for(request);
    const Size limit = top ? top.extent : nowhere;  // a block larger than the top is no better
    Block block = index_.first({0, request.extent});
    while (block && block.extent <= limit && !serves(block, request))
      block = index_.first({block.start + granule_size, block.extent});
    return block && block.extent <= limit ? block : top;
  }
};

static_assert(Policy<BestFit>);

}  // namespace glassheap
