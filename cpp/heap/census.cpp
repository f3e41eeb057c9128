#include "heap/census.hpp"
#include "heap/scoped_access.hpp"

#include <algorithm>

namespace glassheap {

Census::Census(const HeapState& heap) {
  rows_.reserve(heap.core->map().blocks());
  for (const BlockView& view : heap.core->walk()) rows_.push_back({.block = heap.info(view)});
  const Ledger* const ledger = heap.ledger.load(std::memory_order_acquire);
  if (ledger != nullptr) add_owners(heap, *ledger);
}

// A block of a shared heap that this process has not allocated has an entry of an earlier block.
void Census::add_owners(const HeapState& heap, const Ledger& ledger) {
  keeps_tags_ = true;
  texts_.resize(ledger.tags.ids());
  const Tick now = ledger.now();
  for (Row& row : rows_) {
    const Offset payload = heap.addresses.offset_of(row.block.address);
    if (!row.block.live) continue;
    const bool own = heap.hooks == nullptr || heap.hooks->owns(payload);
    const Ledger::Entry entry = own ? ledger.read(payload) : Ledger::Entry{};
    row.age = static_cast<double>(now - std::min(now, entry.time)) / ticks_a_second;
    row.tag = entry.tag < texts_.size() ? entry.tag : 0;
    if (row.tag != 0) texts_[row.tag].emplace();
  }
  ledger.tags.look_up(texts_);
}

std::vector<TagUsage> Census::by_tag() const {
  std::vector<TagUsage> usages(texts_.size());
  for (const auto& [block, tag, age] : rows_) {
    if (!block.live) continue;
    TagUsage& usage = usages[tag];
    usage.newest = usage.blocks == 0 ? age : std::min(usage.newest, age);
    usage.oldest = std::max(usage.oldest, age);
    usage.bytes += block.size;
    ++usage.blocks;
  }
  for (std::size_t id = 0; id < usages.size(); ++id) usages[id].tag = texts_[id];
  std::erase_if(usages, [](const TagUsage& usage) { return usage.blocks == 0; });
  std::ranges::sort(usages, [](const TagUsage& a, const TagUsage& b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.tag < b.tag;
  });
  return usages;
}

std::vector<TaggedBlock> Census::oldest(std::size_t count) const {
  std::vector<const Row*> live;
  for (const Row& row : rows_)
    if (row.block.live) live.push_back(&row);
  const auto shown = static_cast<std::ptrdiff_t>(std::min(count, live.size()));
  std::ranges::partial_sort(live, live.begin() + shown, [](const Row* a, const Row* b) {
    return a->age != b->age ? a->age > b->age : a->block.start < b->block.start;
  });
  std::vector<TaggedBlock> blocks;
  for (const Row* const row : std::span(live).first(static_cast<std::size_t>(shown)))
    blocks.push_back(tagged(*row));
  return blocks;
}

std::span<const Census::Row> Census::between_largest() const {
  const auto more = [](const Row* a, const Row* b) {
    return a->block.size != b->block.size ? a->block.size > b->block.size
                                          : a->block.start < b->block.start;
  };
  std::vector<const Row*> free;
  for (const Row& row : rows_)
    if (!row.block.live) free.push_back(&row);
  if (free.size() < 2) return {};
  std::ranges::partial_sort(free, free.begin() + 2, more);
  const auto [lower, upper] = std::minmax(free[0], free[1]);
  return {lower, upper + 1};
}

TaggedBlock Census::tagged(const Row& row) const {
  return {
      .address = row.block.address, .size = row.block.size, .tag = texts_[row.tag], .age = row.age};
}

Census take_census(HeapState& heap, Fault& fault) {
  return heap.read_all(fault, [](HeapState& state) { return Census(state); });
}

}  // namespace glassheap
