// The judge, at every byte address in and around a region: its verdict must be the one that follows
// from the walk, which anyone can see.

#include <gtest/gtest.h>

#include "drawing.hpp"
#include "rig.hpp"

namespace glassheap {
namespace {

struct Verdict {
  FaultKind kind;
  Address owner = 0;
  FaultKind or_else = kind;  // as good a verdict

  [[nodiscard]] bool allows(FaultKind found) const { return found == kind || found == or_else; }
};

// What a pointer is, by the blocks that the walk shows:
//
//   - A payload may be empty. Then a pointer to it stands where the next block starts, or where the
//     region ends; so what lies 16 bytes before a pointer, where its header would be, comes first:
//     if that is free memory, the pointer's block, if it ever had one, is freed. At the region's
//     end, it is just as true that the pointer leads out of the region, and at the start of a live
//     block, that it leads into that.
//   - Otherwise, the memory that it points to.
class Oracle {
 public:
  explicit Oracle(Rig& rig) : base_(rig->base()), end_(base_ + rig->size()), blocks_(rig.walk()) {}

  [[nodiscard]] Verdict operator()(Address pointer) const {
    const bool on_granule = (pointer - base_) % 16 == 0;
    const BlockInfo* const header = around(pointer - 16);
    if (header != nullptr && header->live && header->address == pointer) return {FaultKind::none};
    const BlockInfo* const block = around(pointer);
    if (header != nullptr && !header->live && on_granule && (block == nullptr || !block->live))
      return {FaultKind::double_free, 0,
              pointer == end_ ? FaultKind::foreign_pointer : FaultKind::double_free};
    if (header != nullptr && !header->live && on_granule)
      return {FaultKind::interior_pointer, 0, FaultKind::double_free};
    if (block == nullptr) return {FaultKind::foreign_pointer};
    if (!on_granule) return {FaultKind::misaligned_pointer};
    if (!block->live) return {FaultKind::double_free};
    return {FaultKind::interior_pointer, block->address};
  }

 private:
  [[nodiscard]] const BlockInfo* around(Address at) const {
    if (at < base_ || at >= end_) return nullptr;
    for (const BlockInfo& block : blocks_) {
      if (at - block.start < block.extent) return &block;
    }
    return nullptr;
  }

  Address base_, end_;
  std::vector<BlockInfo> blocks_;
};

class Judgement : public ::testing::TestWithParam<const char*> {
 protected:
  static Options counted_from(std::optional<Address> base) {
    Options options = sized(400);
    options.base = base;
    return options;
  }
  static std::vector<Address> everywhere(Rig& rig) {
    std::vector<Address> pointers = {
        1, 15, 16, 17, ~Address{0}, ~Address{0} - 15, Address{1} << 63};
    for (Address at = rig->base() - 64; at != rig->base() + rig->size() + 64; ++at)
      if (at != 0) pointers.push_back(at);
    return pointers;
  }
  static void expect_agreement(Rig& rig) {
    const Oracle oracle(rig);
    for (const Address pointer : everywhere(rig)) {
      const Verdict expected = oracle(pointer);
      Fault fault;
      const Size usable = rig->usable_size(pointer, fault);
      const auto where = static_cast<std::int64_t>(pointer - rig->base());
      EXPECT_TRUE(expected.allows(fault.kind))
          << "at " << where << " of " << drawing(rig) << ": " << sentence(fault);
      EXPECT_EQ(usable != 0 || rig.contains(pointer), expected.kind == FaultKind::none) << where;
      if (!fault) continue;
      EXPECT_EQ(fault.address, pointer);
      EXPECT_EQ(expected.owner == 0 ? 0 : fault.owner, expected.owner) << where;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Heaps, Judgement,
                         ::testing::Values("...", "[100]...", "[100][.48.][16]...", "[.0.][16]...",
                                           "[16][.0.][16][.16.][0]...", "[384]", "[.80.][288]",
                                           "[0][0][0][0]...", "[.16.][0][.0.][0][.64.][7]...",
                                           "[368][0]", "[0][368]", "[.336.][0][0][0]"));

TEST_P(Judgement, IsWhatTheWalkShows) {
  for (const auto base :
       {std::optional<Address>{}, std::optional<Address>{0}, std::optional<Address>{0x10000}}) {
    Rig rig(counted_from(base));
    draw(rig, GetParam());
    ASSERT_EQ(drawing(rig), GetParam());
    expect_agreement(rig);
  }
}

// free and realloc ask the same judge, and what it refuses changes nothing.
TEST_P(Judgement, IsTheSameForFreeAndRealloc) {
  Rig rig(counted_from(std::nullopt));
  draw(rig, GetParam());
  const Oracle oracle(rig);
  for (const Address pointer : everywhere(rig)) {
    const Verdict expected = oracle(pointer);
    if (expected.kind == FaultKind::none) continue;
    EXPECT_TRUE(expected.allows(rig.refused_free(pointer).kind)) << pointer - rig->base();
    EXPECT_TRUE(expected.allows(rig.refused_realloc(pointer, 1).kind)) << pointer - rig->base();
  }
}

TEST_P(Judgement, LetsEveryLivePayloadGo) {
  Rig rig(counted_from(std::nullopt));
  draw(rig, GetParam());
  for (const BlockInfo& block : rig.walk()) {
    if (block.live) rig.free(block.address);
  }
  EXPECT_EQ(drawing(rig), "...");
}

// A double free is one whatever was merged since, for every size, between every kind of neighbours.
TEST(DoubleFree, IsSeenWhateverWasMergedSince) {
  for (const Size size : {0U, 1U, 16U, 17U, 100U}) {
    for (unsigned freed = 0; freed < 4; ++freed) {
      Rig rig(sized(400));
      const Address left = rig.malloc(16);
      const Address middle = rig.malloc(size);
      const Address right = rig.malloc(16);
      if ((freed & 1) != 0) rig.free(left);
      rig.free(middle);
      if ((freed & 2) != 0) rig.free(right);
      EXPECT_EQ(rig.refused_free(middle).kind, FaultKind::double_free)
          << size << " bytes, in " << drawing(rig);
    }
  }
}

}  // namespace
}  // namespace glassheap
