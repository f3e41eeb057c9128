// segregated_fit.hpp: nearly the best fit, in constant time.
//
// Problem. Best fit wastes little, but keeps its free blocks sorted. Most requests are small, and
// of few sizes: a list for each size needs no order within it.
//
// Structure. Exact bins, one for each extent below 1 KiB; above, 16 bins a doubling (bins.hpp). A
// small request takes the front of its own bin, which fits without a rest, or of the next bin that
// is not empty. A large one tries up to 8 blocks of its own bin and takes the smallest that
// fits, and only then goes to higher bins. (Rounding the request up instead, as TLSF does, saves
// the search and loses memory.) The top is in no bin: it serves the requests that no bin can, and
// so is split last.
//
//     bins   16 | 32 | 48 | ... | 1008 | 1024..1087 | 1088..1151 | ...          top
//
// Invariant. Each free block but the top is in the bin of its extent, at the place that its node
// gives.
// Cost. malloc and free O(1). Before a request is refused, every block that may serve it is tried.
#pragma once

#include "policy/bins.hpp"

namespace glassheap {

// The common part of this policy and of quick_fit.hpp.
template <typename Self>
class SegregatedBins : public BinnedPolicy<Self, Top::excluded> {
  using Base = BinnedPolicy<Self, Top::excluded>;

 public:
  static constexpr int exact = 6;  // bins are exact below 2^6 granules
  static constexpr std::size_t exact_bins = std::size_t{1} << exact;
  static constexpr Size largest_near = (exact_bins - 1) * granule_size;

  [[nodiscard]] static constexpr std::size_t bin_of(Size extent) noexcept {
    return size_class(extent, exact);
  }

  using Base::Base;
  using typename Base::Place;

  [[nodiscard]] Block find_free(const Request& request) const noexcept {
    Place place = Records::nil;
    const Block near = find_near(request, place);
    return near ? near : find_large(bin_of(request.extent), request);
  }
  // From the exact bins; or from the top, if all bins from there on are empty.
  [[nodiscard]] Block find_near(const Request& request, Place& place) const noexcept {
    const Size granules = request.extent / granule_size;
    if (request.align != granule_size || granules >= exact_bins) return {};
    const std::size_t fit = bins_.next(granules);
    if (fit < exact_bins) return front(fit, place);
    return fit == none && map_.top().extent >= request.extent ? top_at(place) : Block{};
  }
  [[nodiscard]] bool vet_at(Block block, Place place) const noexcept {
    return this->vet_found(block, place);
  }

 protected:
  using Base::bins_;
  using Base::front;
  using Base::map_;
  using Base::top_at;

 private:
  using Base::none;
  static constexpr std::size_t search_limit = 8;

  [[nodiscard, gnu::noinline]] Block find_large(std::size_t bin,
                                                const Request& request) const noexcept {
    if (const Block block = this->smallest_from(bin, request, search_limit)) return block;
    return this->serves(map_.top(), request) ? map_.top() : this->any_from(bin, request);
  }
};

class SegregatedFit : public SegregatedBins<SegregatedFit> {
 public:
  static constexpr PolicyDescription description{
      .name = "segregated_fit",
      .summary = "nearly the smallest that fits, from bins by size",
      .cost = "malloc and free O(1)",
      .source = "D. Lea, A Memory Allocator, 1996; C. Weinstock, thesis, CMU 1976 (quick fit)"};

  using SegregatedBins::SegregatedBins;
};

static_assert(Policy<SegregatedFit>);

}  // namespace glassheap
