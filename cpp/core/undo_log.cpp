#include "core/undo_log.hpp"

namespace glassheap {

void SavedHeaders::save(Offset at, const header_t& front) { saved_.push_back({at, front}); }

void SavedHeaders::put_back(BlockBytes& bytes) const noexcept {
  for (const Saved& kept : std::views::reverse(saved_)) bytes.restore(kept.at, kept.front);
}

namespace {

// Returns the index of the first repeated payload, or the number of payloads if there is none.
// `marks` is a scratch bitmap.
std::size_t first_repeated(std::span<const Offset> payloads, Bitmap::Word* marks) noexcept {
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    const auto granule = static_cast<std::size_t>(payloads[i] / granule_size);
    if (Bitmap::test(marks, granule)) return i;
    Bitmap::set(marks, granule);
  }
  return payloads.size();
}

}  // namespace

// Marks each block as free in the map, so that its second occurrence is noticed, and then clears
// the marks. A shared map must not hold such marks, because other processes trust it if this one is
// killed: there a scratch bitmap holds them, if there is memory for one.
bool all_distinct(BlockMap& map, const Layout& layout, std::span<const Offset> payloads,
                  std::size_t& refused, Fault& fault) noexcept {
  if (map.arena().is_shared()) {
    if (const auto marks = make_zeroed<Bitmap::Word>(map.chunks() + 1); marks != nullptr) {
      refused = first_repeated(payloads, marks.get());
      if (refused < payloads.size()) fault.kind = FaultKind::double_free;
      return refused == payloads.size();
    }
  }
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
