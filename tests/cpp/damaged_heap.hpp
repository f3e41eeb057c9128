// damaged_heap.hpp: helpers of the corruption tests: what a damaged heap must do, and must refuse.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drawing.hpp"
#include "heap_fixture.hpp"

namespace glassheap {

// Every call that only reads ends, and reports the region exactly, whatever its bytes are.
inline void expect_readable(HeapFixture& heap) {
  Offset end = heap->size() - usable_region(heap->options());
  for (const BlockInfo& block : heap.walk()) {
    ASSERT_EQ(block.start - heap->base(), end);
    ASSERT_LE(block.size, block.extent - front_of(heap->options()));
    end += block.extent;
  }
  ASSERT_EQ(end, heap->size());
  const Stats stats = heap.stats();
  EXPECT_LE(stats.available, stats.size);
  EXPECT_LE(heap.free_list().size(), stats.free_blocks);
  Fault fault;
  EXPECT_FALSE(heap->free_list_line(fault).empty());
}

// Every call that would change a damaged heap is refused with heap_damaged.
inline void expect_frozen(HeapFixture& heap, Address live) {
  std::vector<Address> batch = {live};
  const std::vector<Size> sizes = {1};
  Handle handle;
  const auto frozen = [&heap](auto call) {
    EXPECT_EQ(heap.refused(call).kind, FaultKind::heap_damaged);
  };
  frozen([&](Fault& f) { heap->malloc(1, 16, f); });
  frozen([&](Fault& f) { heap->calloc(1, 1, f); });
  frozen([&](Fault& f) { heap->realloc(0, 1, 16, f); });
  frozen([&](Fault& f) { heap->realloc(live, 1, 16, f); });
  frozen([&](Fault& f) { heap->free(live, f); });
  frozen([&](Fault& f) { heap->free(0, f); });
  frozen([&](Fault& f) { heap->malloc_many(sizes, batch, f); });
  frozen([&](Fault& f) { heap->free_many(batch, f); });
  frozen([&](Fault& f) { heap->acquire(1, 16, handle, f); });
  frozen([&](Fault& f) { heap->release(handle, f); });
}

// reset() repairs the heap, whatever its bytes are.
inline void expect_recovery(HeapFixture& heap) {
  heap.reset();
  EXPECT_TRUE(heap.check().empty());
  EXPECT_EQ(heap.free_list(), heap.first_list());
  heap.free(heap.malloc(heap.first_list().back().size));
}

// Returns the live block that merges with this free block when it is freed; none if no single one
// does. For a policy that does not coalesce the same block is returned: it is as good as any.
inline std::optional<BlockInfo> mergeable_neighbour(HeapFixture& heap, const BlockInfo& free) {
  const Address origin = heap->base() + heap->size() - usable_region(heap->options());
  const bool buddies = !splits_anywhere(heap->options());
  const Address neighbour =
      buddies ? origin + ((free.start - origin) ^ free.extent) : free.start + free.extent;
  for (const BlockInfo& block : heap.walk()) {
    const bool fits = !buddies || block.extent == free.extent;
    if (block.live && block.start == neighbour && fits) return block;
  }
  return std::nullopt;
}

// Fills each live payload with bytes that depend on their position. Damage to headers and nodes
// must never change them.
class PayloadStamps {
 public:
  explicit PayloadStamps(HeapFixture& heap) : heap_(heap) {
    for (const BlockInfo& block : heap.walk()) {
      if (!block.live) continue;
      stamped_.push_back(block);
      for (Size i = 0; i < block.size; ++i) heap.at(block.address)[i] = stamp(block, i);
    }
  }

  // Must be called when the block at `payload` has been freed.
  void forget(Address payload) {
    std::erase_if(stamped_, [payload](const BlockInfo& b) { return b.address == payload; });
  }
  void expect_intact() const {
    for (const BlockInfo& block : stamped_) {
      for (Size i = 0; i < block.size; ++i)
        ASSERT_EQ(heap_.at(block.address)[i], stamp(block, i)) << "a payload was written to";
    }
  }

 private:
  static std::byte stamp(const BlockInfo& block, Size i) {
    return static_cast<std::byte>(block.start / 16 * 31 + i * 7 + 1);
  }

  HeapFixture& heap_;
  std::vector<BlockInfo> stamped_;
};

}  // namespace glassheap
