#include "core/undo_log.hpp"

namespace glassheap {

void SavedHeaders::save(Offset at, const header_t& front) { saved_.push_back({at, front}); }

void SavedHeaders::put_back(BlockBytes& bytes, std::size_t keep) noexcept {
  for (; saved_.size() > keep; saved_.pop_back())
    bytes.restore(saved_.back().at, saved_.back().front);
}

namespace {

// Marks each block as free in the map, so that its second occurrence is noticed, and then clears the
// marks. Returns the index of that occurrence, or the number of payloads if there is none.
std::size_t first_repeated(BlockMap& map, const Layout& layout,
                           std::span<const Offset> payloads) noexcept {
  const auto block_of = [&](Offset payload) { return map.block_at(layout.start_of(payload)); };
  std::size_t repeated = 0;
  for (; repeated < payloads.size(); ++repeated) {
    const Block block = block_of(payloads[repeated]);
    if (map.free_at(block.start)) break;
    map.make_free(block);
  }
  for (const Offset payload : payloads.first(repeated)) map.make_live(block_of(payload));
  return repeated;
}

}  // namespace

// A shared map must not hold such marks, because other processes trust it if this one is killed:
// there the owners hold them.
bool all_distinct(BlockMap& map, const Recorder& recorder, std::span<const Offset> payloads,
                  std::size_t& refused, Fault& fault) noexcept {
  refused = recorder.is_shared() ? recorder.begin_frees(payloads)
                                 : first_repeated(map, recorder.layout(), payloads);
  if (refused < payloads.size()) fault.kind = FaultKind::double_free;
  return refused == payloads.size();
}

}  // namespace glassheap
