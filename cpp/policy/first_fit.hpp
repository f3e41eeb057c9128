// first_fit.hpp: the lowest address that fits.
//
// Problem. Of all free blocks that can serve a request, take the one at the lowest address. Large
// blocks at high addresses stay whole, so first fit fragments little in practice (Wilson,
// Johnstone, Neely and Boles 1995), and the address that a call returns is easy to predict.
//
// Structure. The list that every textbook draws, in address order, in the free blocks themselves;
// and beside it an index that finds the first block that is large enough (address_list.hpp). The
// top, the free block that ends the region, is not in the index: it has the highest address, so it
// serves the requests that no other block can, and an allocation from it changes no index.
//
// Invariant. The list links the free blocks in address order; the index has their extents.
// Cost. malloc and free O(log n).
#pragma once

#include "policy/chunk_index.hpp"

namespace glassheap {

class FirstFit : public AddressFit<FirstFit> {
 public:
  static constexpr PolicyDescription description{
      .name = "first_fit",
      .summary = "the lowest address that fits",
      .cost = "malloc and free O(log n)",
      .source = "D. E. Knuth, The Art of Computer Programming, volume 1, section 2.5, algorithm A"};

  using AddressFit::AddressFit;

  [[nodiscard]] Block find_free(const Request& request) const noexcept {
    return lowest(0, request);
  }
};

static_assert(Policy<FirstFit>);

}  // namespace glassheap
