// damage.hpp: what tests of corruption share: all that a damaged heap must still do, and must not.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drawing.hpp"
#include "rig.hpp"

namespace glassheap {

// Everything that only looks, whatever the bytes are: it ends, and covers the region exactly.
inline void expect_sight(Rig& rig) {
  Offset end = rig->size() - usable_region(rig->options());
  for (const BlockInfo& block : rig.walk()) {
    ASSERT_EQ(block.start - rig->base(), end);
    ASSERT_LE(block.size, block.extent - front_of(rig->options()));
    end += block.extent;
  }
  ASSERT_EQ(end, rig->size());
  const Stats stats = rig.stats();
  EXPECT_LE(stats.available, stats.size);
  EXPECT_LE(rig.free_list().size(), stats.free_blocks);
  Fault fault;
  EXPECT_FALSE(rig->free_list_line(fault).empty());
}

// Every call that would change a damaged heap is refused, for that reason.
inline void expect_frozen(Rig& rig, Address live) {
  std::vector<Address> batch = {live};
  const std::vector<Size> sizes = {1};
  Handle handle;
  const auto frozen = [&rig](auto call) {
    EXPECT_EQ(rig.refused(call).kind, FaultKind::heap_damaged);
  };
  frozen([&](Fault& f) { rig->malloc(1, 16, f); });
  frozen([&](Fault& f) { rig->calloc(1, 1, f); });
  frozen([&](Fault& f) { rig->realloc(0, 1, 16, f); });
  frozen([&](Fault& f) { rig->realloc(live, 1, 16, f); });
  frozen([&](Fault& f) { rig->free(live, f); });
  frozen([&](Fault& f) { rig->free(0, f); });
  frozen([&](Fault& f) { rig->malloc_many(sizes, batch, f); });
  frozen([&](Fault& f) { rig->free_many(batch, f); });
  frozen([&](Fault& f) { rig->acquire(1, 16, handle, f); });
  frozen([&](Fault& f) { rig->release(handle, f); });
}

// reset() brings the heap back, whatever the bytes are.
inline void expect_recovery(Rig& rig) {
  rig.reset();
  EXPECT_TRUE(rig.check().empty());
  EXPECT_EQ(rig.free_list(), rig.first_list());
  rig.free(rig.malloc(rig.first_list().back().size));
}

// The live block that joins, when it is freed, with this free block; none if no single one does.
// Some policies join no blocks; to them it is as good a block as any.
inline std::optional<BlockInfo> partner(Rig& rig, const BlockInfo& free) {
  const Address origin = rig->base() + rig->size() - usable_region(rig->options());
  const bool buddies = !cuts_anywhere(rig->options());
  const Address beside =
      buddies ? origin + ((free.start - origin) ^ free.extent) : free.start + free.extent;
  for (const BlockInfo& block : rig.walk()) {
    const bool fits = !buddies || block.extent == free.extent;
    if (block.live && block.start == beside && fits) return block;
  }
  return std::nullopt;
}

// Payloads filled with bytes that tell their place; whatever is done to a heap whose fronts are
// damaged, these must not change.
class Stamps {
 public:
  explicit Stamps(Rig& rig) : rig_(rig) {
    for (const BlockInfo& block : rig.walk()) {
      if (!block.live) continue;
      stamped_.push_back(block);
      for (Size i = 0; i < block.size; ++i) rig.at(block.address)[i] = stamp(block, i);
    }
  }

  // The block at `payload` was freed.
  void forget(Address payload) {
    std::erase_if(stamped_, [payload](const BlockInfo& b) { return b.address == payload; });
  }
  void expect_whole() const {
    for (const BlockInfo& block : stamped_) {
      for (Size i = 0; i < block.size; ++i)
        ASSERT_EQ(rig_.at(block.address)[i], stamp(block, i)) << "a payload was written to";
    }
  }

 private:
  static std::byte stamp(const BlockInfo& block, Size i) {
    return static_cast<std::byte>(block.start / 16 * 31 + i * 7 + 1);
  }

  Rig& rig_;
  std::vector<BlockInfo> stamped_;
};

}  // namespace glassheap
