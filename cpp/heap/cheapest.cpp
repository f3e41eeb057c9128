#include "heap/eviction.hpp"
#include "heap/scoped_access.hpp"

// Heap::cheapest: takes a copy of the blocks under the lock, and searches it without.

namespace glassheap {
namespace {

// All that the search needs of the heap.
struct Survey {
  BlockBytes bytes;  // its arithmetic alone: the region is not read
  std::vector<Candidate> candidates;
  std::vector<BlockInfo> live;  // the live ones of the candidates
  std::vector<Block> list;      // the free blocks in list order
};

Survey survey_of(HeapState& heap) {
  Survey survey{heap.core->bytes(), {}, {}, heap.core->free_list()};
  survey.candidates.reserve(heap.core->map().blocks());
  for (const BlockView& view : heap.core->walk()) {
    const BlockInfo info = heap.info(view);
    const bool stays = info.live && heap.pins.contains(heap.addresses.payload_of(view.block));
    survey.candidates.push_back({view.block, info.live, stays ? must_stay : 0});
    if (info.live) survey.live.push_back(info);
  }
  return survey;
}

// Adds the prices, of which there is one for each live block.
void add_prices(std::span<Candidate> candidates, std::span<const double> prices) {
  auto price = prices.begin();
  for (Candidate& candidate : candidates) {
    if (!candidate.live || price == prices.end()) continue;
    candidate.cost = *price >= 0 ? std::max(candidate.cost, *price) : must_stay;
    ++price;
  }
}

Eviction eviction_of(const HeapState& heap, const Survey& survey, const Window& window) {
  Eviction eviction;
  auto info = survey.live.begin();
  for (std::size_t i = 0; i < window.end; ++i) {
    if (!survey.candidates[i].live) continue;
    if (i >= window.first) eviction.blocks.push_back(*info);
    ++info;
  }
  eviction.cost = window.cost;
  eviction.address = heap.addresses.payload_address(window.hole);
  // The heap may have been closed meanwhile: then it has no core.
  const Size offered = survey.bytes.layout.on_offer(window.hole.extent);
  eviction.size = heap.addresses.units().to_caller(offered);
  return eviction;
}

}  // namespace

std::optional<Eviction> Heap::cheapest(Size size, Size align, const Pricing& price, Fault& fault) {
  std::optional<Survey> survey = state_->read_all(fault, [&](HeapState& heap) {
    if (heap.shared.damaged) fault.kind = FaultKind::heap_damaged;
    const bool may_look = !fault && heap.addresses.check_align(align, fault);
    return may_look ? std::optional(survey_of(heap)) : std::nullopt;
  });
  const Size need = state_->addresses.units().to_core(size);
  if (!survey || need > largest_region) return std::nullopt;
  add_prices(survey->candidates, price(survey->live));
  const Request request{survey->bytes.layout.extent_for(need), align};
  const std::optional<Window> window =
      EvictionSearch(survey->bytes, state_->options, survey->candidates, survey->list)
          .cheapest(request);
  if (!window) return std::nullopt;
  return eviction_of(*state_, *survey, *window);
}

}  // namespace glassheap
