// inspection.cpp: comparisons of the whole heap with the oracle.

#include "checked_heap.hpp"

namespace glassheap::fuzzing {
namespace {

// The free blocks are known from the block map, whatever their nodes say.
void compare_free_sums(const HeapView& now) {
  Size available = 0;
  Size largest = 0;
  for (const BlockInfo& block : now.blocks) {
    if (block.live) continue;
    available += block.size;
    largest = std::max(largest, block.size);
  }
  require(now.stats.available == available && now.stats.largest_free == largest,
          "the sums over the free blocks are correct");
}

}  // namespace

// Compares what every heap reports, overwritten or not; and the rest if the heap is sound.
void CheckedHeap::inspect() {
  compare_blocks();
  compare_payloads();
  const HeapView now = view();
  compare_free_list(now);
  compare_free_sums(now);
  if (!overwritten_) compare_counters(now);
  const Findings findings = observe([&](Fault& fault) { return heap_->check(fault); });
  for (const auto& [fault, culprit, text] : findings) {
    examine(fault);
    require(culprit.live || culprit.extent == 0, "a culprit is a live block");
    require(text.starts_with(sentence(fault)), "a finding has its fault's sentence");
  }
  require(overwritten_ || findings.empty(), "check() finds nothing in a sound heap");
  require(!detectable_ || !findings.empty(), "check() finds what was overwritten");
  damaged_ = damaged_ || !findings.empty();
  require(same(now, view()), "check() changes nothing");
}

// The blocks tile the region, and the live ones are those that were allocated.
void CheckedHeap::compare_blocks() const {
  Address end = oracle_.origin();
  std::size_t live = 0;
  for (const BlockInfo& block : observe([&](Fault& fault) { return heap_->walk(fault); })) {
    require(block.start == end && block.extent != 0, "the blocks tile the region");
    end += block.extent;
    if (!block.live) continue;
    ++live;
    const auto allocation = oracle_.live.find(block.address);
    require(allocation != oracle_.live.end() && allocation->second.extent == block.extent,
            "a live block is one that was allocated");
    require(overwritten_ || block.size == oracle_.reported(allocation->second.size),
            "a block has its size");
  }
  require(end == oracle_.end() && live == oracle_.live.size(), "no block is missing");
}

void CheckedHeap::compare_payloads() const {
  for (const auto& [payload, allocation] : oracle_.live)
    require(has(payload, allocation.content, allocation.size), "a payload is its owner's alone");
}

// Every free block is in the list, once; if nodes were overwritten, some of them are.
void CheckedHeap::compare_free_list(const HeapView& now) const {
  std::vector<Address> listed;
  for (const FreeBlock& block : now.free_list) {
    const BlockInfo* const found = now.block_at(block.address);
    require(found != nullptr && !found->live && found->start == block.address &&
                block.size == offered_size(oracle_.options(), found->extent),
            "a listed block is free");
    listed.push_back(block.address);
  }
  std::ranges::sort(listed);
  require(std::ranges::adjacent_find(listed) == listed.end(), "no block is listed twice");
  require(overwritten_ || listed.size() == now.stats.free_blocks, "every free block is listed");
}

void CheckedHeap::compare_counters(const HeapView& now) const {
  const Stats& stats = now.stats;
  require(stats.live_blocks == oracle_.live.size(), "live blocks are counted");
  require(stats.requested == oracle_.requested(), "requests are summed");
  require(stats.live_blocks + stats.free_blocks == now.blocks.size(), "blocks are counted");
  require(stats.used <= stats.peak_used && stats.peak_used <= stats.size, "peaks are peaks");
}

}  // namespace glassheap::fuzzing
