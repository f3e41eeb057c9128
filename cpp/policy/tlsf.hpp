// tlsf.hpp: two-level segregated fit, in constant time in every case.
//
// Problem. A program with deadlines cannot search. malloc and free must take a bounded number of
// steps.
//
// Structure. Size classes of two levels, the power of two and 16 steps within it, each with a list
// and a bit (bins.hpp). A request is rounded up to the next class, so that the first block of any
// list from there on fits: there is nothing to search. The price is memory: a block of the
// request's own class is skipped, though it might be large enough.
//
//     classes   1 | 2 | ... | 15 | 16 | 17 | ... | 31 | 32..33 | 34..35 | ...   granules
//
// The top changes its size with nearly every call, and would go from list to list. So it is in none,
// and counts as the last block of its class.
//
// Invariant. Each free block but the top is in the list of its class, at the place that its node
// gives.
// Cost. malloc and free O(1). Before a request is refused, its own class is searched after all: out
// of memory means that no block fits.
#pragma once

#include "policy/bins.hpp"

namespace glassheap {

class Tlsf : public BinnedPolicy<Tlsf, Top::excluded> {
 public:
  static constexpr PolicyDescription description{
      .name = "tlsf",
      .summary = "two-level segregated fit: a good fit in constant time",
      .cost = "malloc and free O(1)",
      .source = "M. Masmano, I. Ripoll, A. Crespo, J. Real, TLSF, ECRTS 2004"};

  [[nodiscard]] static constexpr std::size_t bin_of(Size extent) noexcept {
    return size_class(extent, exact);
  }

  using BinnedPolicy::BinnedPolicy;

  [[nodiscard]] Block find_free(const Request& request) const noexcept {
    Place place = Records::nil;
    if (const Block near = find_near(request, place)) return near;
    const Block found = any_from(bin_of(request.extent), request);
    return found || !serves(map_.top(), request) ? found : map_.top();
  }
  // Any block with room for the largest gap that the alignment can need serves the request.
  [[nodiscard]] Block find_near(const Request& request, Place& place) const noexcept {
    const Size enough = round_up_to_class(request.extent + request.align - granule_size);
    if (enough > map_.region_size()) [[unlikely]]
      return {};
    const std::size_t bin = bins_.next(bin_of(enough));
    const Block top = map_.top();
    if (top.extent >= enough && (bin == none || bin_of(top.extent) < bin)) return top_at(place);
    return bin == none ? Block{} : front(bin, place);
  }
  [[nodiscard]] bool vet_at(Block block, Place place) const noexcept {
    return vet_found(block, place);
  }

 private:
  static constexpr int exact = 4;  // classes are exact below 2^4 granules; above, 2^4 a doubling

  // The least extent of the first class in which every block has at least `extent` bytes.
  [[nodiscard]] static constexpr Size round_up_to_class(Size extent) noexcept {
    const Size power = std::bit_floor(extent);
    return power < granule_size << exact ? extent : round_up(extent, power >> exact);
  }
};

static_assert(Policy<Tlsf>);

}  // namespace glassheap
