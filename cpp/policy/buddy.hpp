// buddy.hpp: powers of two, halved and joined.
//
// Problem. To cut and to join blocks without looking for anything: let every block be a power of
// two large and start at a multiple of its size. Then the other half of the block that it was cut
// from, its buddy, starts at a place that one exclusive or gives.
//
//     |                 64                  |
//     |        32        |        32        |       32 is halved for a request of 16:
//     |  16  |  16  |        32        |            its buddy is free, and is joined with it again
//                                                   when both are
//
// Structure. A bin for each power (bins.hpp). A request is rounded up to a power; a larger block is
// halved until it is that small, and the upper halves go to their bins. A region that is no power
// of two begins as several blocks.
//
// A header in front of a payload leaves no multiple of 32 where a block's payload could start. A
// request with a larger alignment is cut from the middle of a larger block: it is as long as any
// block of its size, stands where its payload must, and the powers around it stay free.
//
// Invariant. A free block is a power of two large and starts at a multiple of that; no two buddies
// are free. Each is in the bin of its order, where its node says so.
// Cost. malloc and free O(log n) in the size of the region. The rounding costs up to half of a
// block.
#pragma once

#include "policy/bins.hpp"

namespace glassheap {

class Buddy : public Binned<Buddy, Top::listed> {
 public:
  static constexpr PolicyDescription description{
      .name = "buddy",
      .summary = "powers of two, halved and joined",
      .cost = "malloc and free O(log n)",
      .source = "K. C. Knowlton, A Fast Storage Allocator, CACM 8(10), 1965"};
  static constexpr Coalescing coalescing = Coalescing::buddies;

  // The order: how often a granule was doubled.
  [[nodiscard]] static constexpr std::size_t bin_of(Size extent) noexcept {
    return static_cast<std::size_t>(std::bit_width(extent / granule_size)) - 1;
  }

  using Binned::Binned;

  [[nodiscard]] Block find_free(const Request& request, Fault& fault) const noexcept {
    if (request.extent > map_.region_size()) return {};
    const std::size_t looks = request.align == granule_size ? 1 : all;
    return smallest_from(bin_of(request.extent), request, looks, fault);
  }
};

static_assert(Policy<Buddy>);

}  // namespace glassheap
