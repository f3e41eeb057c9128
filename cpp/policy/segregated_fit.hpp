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

class SegregatedFit : public BinnedPolicy<SegregatedFit, Top::excluded> {
 public:
  static constexpr PolicyDescription description{
      .name = "segregated_fit",
      .summary = "nearly the smallest that fits, from bins by size",
      .cost = "malloc and free O(1)",
      .source = "D. Lea, A Memory Allocator, 1996; C. Weinstock, thesis, CMU 1976 (quick fit)"};

  [[nodiscard]] static constexpr std::size_t bin_of(Size extent) noexcept {
    return size_class(extent, exact);
  }

  using BinnedPolicy::BinnedPolicy;

  void insert(Block block) noexcept {
    if (is_top(block)) {
      write_node(block);
    } else {
      BinnedPolicy::insert(block);
    }
  }
  void erase(Block block) noexcept {
    if (!is_top(block)) BinnedPolicy::erase(block);
  }
  void restore(Block from, const Mark& before) noexcept {
    if (!is_top(from)) BinnedPolicy::restore(from, before);
  }
  [[nodiscard]] bool vet(Block block, Fault& fault) const noexcept {
    return is_top(block) ? PolicyBase::vet(block, fault) : BinnedPolicy::vet(block, fault);
  }
  [[nodiscard]] bool vet_insert(Block block, Fault& fault) const noexcept {
    return is_top(block) || BinnedPolicy::vet_insert(block, fault);
  }
  [[nodiscard]] bool vet_list_neighbours(Block block, Fault& fault) const noexcept {
    return is_top(block) || BinnedPolicy::vet_list_neighbours(block, fault);
  }

  [[nodiscard]] Block find_free(const Request& request, Fault& fault) const noexcept {
    const std::size_t bin = bin_of(request.extent);
    if (request.align == granule_size && bin < exact_bins) {
      const std::size_t fit = bins_.next(bin);
      if (fit < exact_bins) {
        const Block block = bins_.front(fit);
        if (block.extent >= request.extent) [[likely]]
          return block;
      }
    }
    if (const Block block = smallest_from(bin, request, search_limit, fault)) return block;
    if (fault || serves(map_.top(), request)) return fault ? Block{} : map_.top();
    return smallest_from(bin, request, unlimited, fault);
  }

  [[nodiscard]] Size largest() const noexcept {
    return std::max(BinnedPolicy::largest(), map_.top().extent);
  }
  template <typename Visit>
  void list(Visit visit) const {
    BinnedPolicy::list(visit);
    if (map_.top() && is_sound(map_.top())) visit(map_.top());
  }

 private:
  static constexpr int exact = 6;  // bins are exact below 2^6 granules
  static constexpr std::size_t exact_bins = std::size_t{1} << exact;
  static constexpr std::size_t search_limit = 8;
};

static_assert(Policy<SegregatedFit>);

}  // namespace glassheap
