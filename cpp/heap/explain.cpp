#include <algorithm>
#include <bit>

#include "base/format.hpp"
#include "base/shortage.hpp"
#include "heap/census.hpp"

// Heap: the cause of an out_of_memory in words and as data. cause_of() (base/shortage.cpp) decides it.

namespace glassheap {
namespace {

constexpr std::size_t most_shown = 3;  // obstacles that are listed one by one

using Rows = std::span<const Census::Row>;

// --- What the sentences and the diagnosis tell. ------------------------------------------------

std::vector<double> sizes_of(std::span<const BlockInfo> live) {
  std::vector<double> sizes;
  sizes.reserve(live.size());
  for (const BlockInfo& block : live) sizes.push_back(static_cast<double>(block.size));
  return sizes;
}

// Returns true if the cheapest blocks are found in about O(n).
bool is_quickly_searched(const Options& options) {
  return !options.coalesce.value_or(true) ||
         options.order.value_or(Order::address) == Order::address;
}

// A lack of memory is mended by any blocks; else there is a cheapest set of them.
std::optional<Eviction> release_for(Heap& heap, const Fault& shortage) {
  const ShortageCause cause = cause_of(shortage);
  const bool one_hole_would_do =
      cause == ShortageCause::fragmentation || cause == ShortageCause::alignment;
  if (!one_hole_would_do || !is_quickly_searched(heap.options())) return std::nullopt;
  Fault unreadable;  // then there are no blocks to name
  return heap.cheapest(shortage.argument, shortage.shortage.align, sizes_of, unreadable);
}

std::optional<Size> shortfall_of(const Fault& shortage, const std::optional<Eviction>& release) {
  const Size available = shortage.shortage.available;
  switch (cause_of(shortage)) {
    case ShortageCause::memory:
      return std::max(shortage.argument, available + 1) - available;
    case ShortageCause::batch:
      return shortage.argument;
    default:
      return release ? std::optional(static_cast<Size>(release->cost)) : std::nullopt;
  }
}

// --- Words. ------------------------------------------------------------------------------------

// With two decimals. Not "%.2f", which follows the program's locale; not std::round, for which a C
// program would have to link the mathematical library.
std::string as_decimal(double index) {
  const auto thousandths = static_cast<unsigned>(index * 1000);
  const unsigned hundredths = (thousandths + 5) / 10;
  return format("%u.%02u", hundredths / 100, hundredths % 100);
}

std::string as_seconds(double age) {
  return age < 10 ? as_decimal(age) + " s" : std::to_string(static_cast<ull>(age)) + " s";
}

// In quotes, and on one line whatever is in it.
std::string quoted(const std::string& tag) {
  std::string text;
  for (const char c : tag) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7F ? format("\\x%02x", unsigned{byte}) : std::string(1, c);
  }
  return "'" + text + "'";
}

std::string count_of(Size blocks) {
  return blocks == 1 ? "one block" : std::to_string(blocks) + " blocks";
}

std::string describe_holders(const Census& census) {
  const std::vector<TagUsage> usages = census.by_tag();
  if (usages.empty()) return "";
  const TagUsage& first = usages.front();
  const std::string held = count_of(first.blocks) + format(", %llu bytes", ull{first.bytes});
  if (!census.keeps_tags()) return "; in use are " + held;
  return "; most is held " + (first.tag ? "by tag " + quoted(*first.tag) : "without a tag") + " (" +
         held + ", the oldest for " + as_seconds(first.oldest) + ")";
}

std::string place_and_owner(const TaggedBlock& block) {
  std::string place = format("0x%llx", ull{block.address});
  if (!block.tag) return place;
  return place + " (tag " + quoted(*block.tag) + ", for " + as_seconds(block.age) + ")";
}

std::string list_obstacles(const Census& census, std::span<const Census::Row* const> live) {
  std::string text;
  for (const Census::Row* const row : live.first(std::min(live.size(), most_shown))) {
    text += text.empty() ? ": " : ", ";
    text += format("%llu bytes at ", ull{row->block.size}) + place_and_owner(census.tagged(*row));
  }
  return text + (live.size() > most_shown ? ", and others." : ".");
}

std::vector<const Census::Row*> live_in(Rows range) {
  std::vector<const Census::Row*> live;
  for (const Census::Row& row : range)
    if (row.block.live) live.push_back(&row);
  return live;
}

std::string describe_obstacles(const Census& census) {
  const Rows range = census.between_largest();
  if (range.empty()) return "";
  const std::vector<const Census::Row*> live = live_in(range);
  const std::string largest = format(" Between the largest two, of %llu and %llu bytes, ",
                                     ull{range.front().block.size}, ull{range.back().block.size});
  if (live.empty()) return largest + "no live block stands.";
  const bool one = live.size() == 1;
  return largest +
         (one ? "one live block stands" : std::to_string(live.size()) + " live blocks stand") +
         list_obstacles(census, live);
}

// The first of the blocks, with its owner; without if it is gone since.
std::string describe_first(const Census& census, const BlockInfo& block) {
  const auto rows = census.rows();
  const auto row = std::ranges::find(rows, block.address, [](const Census::Row& found) {
    return found.block.live ? found.block.address : ~Address{0};
  });
  return row == rows.end() ? format("0x%llx", ull{block.address})
                           : place_and_owner(census.tagged(*row));
}

std::string describe_release(const Census& census, const std::optional<Eviction>& release) {
  if (!release || release->blocks.empty()) return "";
  const std::vector<BlockInfo>& blocks = release->blocks;
  return format(" Freeing %llu bytes would do: ", ull{static_cast<Size>(release->cost)}) +
         count_of(blocks.size()) + (blocks.size() == 1 ? ", at " : ", the first at ") +
         describe_first(census, blocks.front()) + ".";
}

// What follows the numbers, up to the remedy.
std::string describe_cause(const Fault& shortage, const Census& census,
                           const std::optional<Eviction>& release) {
  const Shortage& s = shortage.shortage;
  switch (cause_of(shortage)) {
    case ShortageCause::fragmentation:
      return " (fragmentation index " +
             as_decimal(fragmentation_index(shortage.argument, s.available, s.free_blocks)) +
             "). In one piece, the free memory would do." + describe_obstacles(census) +
             describe_release(census, release);
    case ShortageCause::alignment:
      return format(". None has room from a multiple of %llu on.", ull{s.align}) +
             describe_release(census, release);
    default:
      return describe_holders(census) + ".";
  }
}

}  // namespace

std::string Heap::explain(const Fault& reported) {
  Fault fault = reported;
  fault.granule_bits = static_cast<std::uint8_t>(std::countr_zero(granule()));
  if (fault.kind != FaultKind::out_of_memory) return sentence(fault);
  Fault unreadable;  // then there are no blocks to name
  const Census census = take_census(*state_, unreadable);
  return shortage_facts(fault) + describe_cause(fault, census, release_for(*this, fault)) + " " +
         shortage_remedy(fault);
}

Diagnosis Heap::diagnose(const Fault& shortage) {
  Fault unreadable;
  const Census census = take_census(*state_, unreadable);
  Diagnosis diagnosis{.cause = cause_of(shortage),
                      .by_tag = census.by_tag(),
                      .between = {},
                      .shortfall = shortfall_of(shortage, release_for(*this, shortage))};
  for (const Census::Row* const row : live_in(census.between_largest()))
    diagnosis.between.push_back(census.tagged(*row));
  return diagnosis;
}

}  // namespace glassheap
