#include <algorithm>

#include "base/format.hpp"
#include "glassheap/heap.hpp"

// Heap::explain: the cause of an out_of_memory in words. cause_of() (base/shortage.cpp) decides it.

namespace glassheap {
namespace {

constexpr std::size_t most_shown = 3;  // obstacles that are listed one by one

// With two decimals. Not "%.2f", which follows the program's locale; not std::round, for which a C
// program would have to link the mathematical library.
std::string as_decimal(double index) {
  const auto thousandths = static_cast<unsigned>(index * 1000);
  const unsigned hundredths = (thousandths + 5) / 10;
  return format("%u.%02u", hundredths / 100, hundredths % 100);
}

std::string describe_cause(const Fault& fault) {
  const Shortage& s = fault.shortage;
  switch (cause_of(fault)) {
    case ShortageCause::alignment:
      return format(
          "The cause is the alignment: no free block has room from a multiple of %llu on.",
          ull{s.align});
    case ShortageCause::batch:
      return "The cause is the batch: its earlier sizes take the room.";
    case ShortageCause::fragmentation:
      return "The cause is fragmentation (fragmentation index " +
             as_decimal(fragmentation_index(fault.argument, s.available, s.free_blocks)) +
             "): in one piece, the free memory would do.";
    default:
      return "The cause is a lack of memory.";
  }
}

// The blocks from the lower to the upper one of the two largest free blocks; of equal ones, those
// with the lowest addresses. None if there are fewer than two.
std::span<const BlockInfo> between_largest(std::span<const BlockInfo> blocks) {
  std::vector<const BlockInfo*> free;
  for (const BlockInfo& block : blocks)
    if (!block.live) free.push_back(&block);
  if (free.size() < 2) return {};
  std::ranges::partial_sort(free, free.begin() + 2, [](const BlockInfo* a, const BlockInfo* b) {
    return a->size != b->size ? a->size > b->size : a->start < b->start;
  });
  const auto [lower, upper] = std::minmax(free[0], free[1]);
  return {lower, upper + 1};
}

std::string list_obstacles(std::span<const BlockInfo* const> live) {
  std::string text;
  for (const BlockInfo* const block : live.first(std::min(live.size(), most_shown))) {
    text += text.empty() ? ": " : ", ";
    text += format("%llu bytes at 0x%llx", ull{block->size}, ull{block->address});
  }
  return text + (live.size() > most_shown ? ", and others." : ".");
}

std::string describe_obstacles(std::span<const BlockInfo> blocks) {
  const std::span<const BlockInfo> range = between_largest(blocks);
  if (range.empty()) return "";
  std::vector<const BlockInfo*> live;
  for (const BlockInfo& block : range)
    if (block.live) live.push_back(&block);
  const std::string largest = format(" Between the largest two, of %llu and %llu bytes, ",
                                     ull{range.front().size}, ull{range.back().size});
  if (live.empty()) return largest + "no live block stands.";
  const bool one = live.size() == 1;
  return largest +
         (one ? "one live block stands" : std::to_string(live.size()) + " live blocks stand") +
         list_obstacles(live);
}

}  // namespace

std::string Heap::explain(const Fault& fault) {
  std::string text = sentence(fault);
  if (fault.kind != FaultKind::out_of_memory) return text;
  text += " " + describe_cause(fault);
  if (cause_of(fault) != ShortageCause::fragmentation) return text;
  Fault unreadable;  // then there are no blocks to name
  return text + describe_obstacles(walk(unreadable));
}

}  // namespace glassheap
