#include "glassheap/batch.hpp"

namespace glassheap {

void Fronts::keep(Offset at, const header_t& front) { fronts_.push_back({at, front}); }

void Fronts::put_back(Blocks& blocks) const noexcept {
  for (const Front& kept : std::views::reverse(fronts_)) blocks.restore(kept.at, kept.front);
}

// Marks each block as free in the map, so that one that comes twice is seen the second time, and
// then takes the marks away again.
bool all_distinct(BlockMap& map, const Layout& layout, std::span<const Offset> payloads,
                  std::size_t& refused, Fault& fault) noexcept {
  const auto block_of = [&](Offset payload) { return map.block_at(layout.start_of(payload)); };
  for (refused = 0; refused < payloads.size(); ++refused) {
    const Block block = block_of(payloads[refused]);
    if (map.free_at(block.start)) break;
    map.make_free(block);
  }
  for (const Offset payload : payloads.first(refused)) map.make_live(block_of(payload));
  if (refused < payloads.size()) fault.kind = FaultKind::double_free;
  return refused == payloads.size();
}

}  // namespace glassheap
