// buddy.hpp: powers of two, halved and merged.
//
// Problem. Split and coalesce blocks without any search. Let every block be a power of two in size
// and start at a multiple of its size. Then one exclusive or gives the start of its buddy, the
// other half of the block that it was split from.
//
//     |                 64                |
//     |       32        |       32        |       a 32 is halved for a request of 16:
//     |   16   |   16   |       32        |       the two halves are buddies, and are merged
//                                                 again when both are free
//
// Structure. A bin for each power of two (bins.hpp). A request is rounded up to one; a larger block
// is halved down to that size, and the upper halves go to their bins. A region whose size is not a
// power of two begins as several blocks.
//
// Behind its header no payload of such a block starts at a multiple of 32. A request with a larger
// alignment is cut from the middle of a larger block: it has the extent of any block of its size,
// starts where its payload must, and the powers of two around it stay free.
//
// Invariant. A free block is a power of two in size and starts at a multiple of its size; no two
// buddies are free. Each is in the bin of its order, at the place that its node gives.
// So the orders from that of a request up to the order that serves it have no free block, and the
// first block of its bin is free to be halved: nothing is searched.
// Cost. malloc and free O(log n) in the size of the region. Rounding wastes up to half of a block.
#pragma once

#include "policy/bins.hpp"

namespace glassheap {

class Buddy : public BinnedPolicy<Buddy, Top::listed, BinSet<1>> {
 public:
  static constexpr PolicyDescription description{
      .name = "buddy",
      .summary = "powers of two, halved and joined",
      .cost = "malloc and free O(log n)",
      .source = "K. C. Knowlton, A Fast Storage Allocator, CACM 8(10), 1965"};
  static constexpr Coalescing coalescing = Coalescing::buddies;

  // The order: log2 of the extent in granules.
  [[nodiscard]] static constexpr std::size_t bin_of(Size extent) noexcept {
    return static_cast<std::size_t>(std::bit_width(extent / granule_size)) - 1;
  }

  using BinnedPolicy::BinnedPolicy;

  // Any block of a high enough order serves a request without an alignment. Its extent follows from
  // its bin.
  [[nodiscard]] Block find_free(const Request& request) const noexcept {
    if (request.extent > map_.region_size()) return {};
    const std::size_t bin = bins_.next(bin_of(request.extent));
    if (bin != none && request.align == granule_size) [[likely]] {
      const Block front = bins_.front(bin);
      return front ? Block{front.start, granule_size << bin} : Block{};
    }
    return any_from(bin_of(request.extent), request);
  }

  // The bins of the halves are empty, unless an alignment chose a larger block than necessary.
  void halve(Block from, Place place, Size low) noexcept {
    const std::size_t end = bin_of(from.extent);
    std::size_t bin = bin_of(low);
    if (bins_.next(bin) != end) {
      PolicyBase::halve(from, place, low);
      return;
    }
    bins_.erase(end, place);
    for (; bin < end; ++bin) {
      const Size half = granule_size << bin;
      bins_.push_first(bin, {from.start + half, half});
    }
  }
};

static_assert(Policy<Buddy>);

}  // namespace glassheap
