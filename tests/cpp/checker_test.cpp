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

// What a pointer is, by the blocks that the walk shows. Without headers, just the memory that it
// points to. With headers:
//
//   - A payload may be empty. Then a pointer to it stands where the next block starts, or where the
//     region ends; so what lies 16 bytes before a pointer, where its header would be, comes first:
//     if that is free memory, the pointer's block, if it ever had one, is freed. At the region's
//     end, it is just as true that the pointer leads out of the region, and at the start of a live
//     block, that it leads into that.
//   - Otherwise, the memory that it points to.
class Oracle {
 public:
  explicit Oracle(Rig& rig)
      : base_(rig->base()),
        end_(base_ + rig->size()),
        front_(front_of(rig->options())),
        bytes_(rig.walk()) {}

  [[nodiscard]] Verdict operator()(Address pointer) const {
    const BlockInfo* const front = around(pointer - front_);
    if (front != nullptr && front->live && front->address == pointer) return {FaultKind::none};
    if (front_ != 0 && (pointer - base_) % 16 == 0 && front != nullptr && !front->live)
      return behind_free(pointer);
    return in_its_place(pointer);
  }

 private:
  // The pointer of a block that would have its header in free memory.
  [[nodiscard]] Verdict behind_free(Address pointer) const {
    const BlockInfo* const block = around(pointer);
    if (block != nullptr && block->live)
      return {FaultKind::interior_pointer, 0, FaultKind::double_free};
    return {FaultKind::double_free, 0,
            pointer == end_ ? FaultKind::foreign_pointer : FaultKind::double_free};
  }
  [[nodiscard]] Verdict in_its_place(Address pointer) const {
    const Offset at = pointer - base_;  // a granule in front of all blocks is in the region too
    if (at < end_ - base_ && at % 16 != 0) return {FaultKind::misaligned_pointer};
    const BlockInfo* const block = around(pointer);
    if (block == nullptr) return {FaultKind::foreign_pointer};
    if (!block->live) return {FaultKind::double_free};
    return {FaultKind::interior_pointer, block->address};
  }
  [[nodiscard]] const BlockInfo* around(Address at) const {
    for (const BlockInfo& block : bytes_) {
      if (at - block.start < block.extent) return &block;
    }
    return nullptr;
  }

  Address base_, end_;
  Size front_;
  std::vector<BlockInfo> bytes_;
};

struct Picture {
  const char* heap;
  bool headers;
};

void PrintTo(const Picture& picture, std::ostream* out) {
  *out << picture.heap << (picture.headers ? "" : " bare");
}

class Judgement : public ::testing::TestWithParam<Picture> {
 public:
  static Options counted_from(std::optional<Address> base) {
    Options options = sized(400);
    options.base = base;
    options.headers = GetParam().headers;
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

std::vector<Picture> pictures(bool headers, std::initializer_list<const char*> heaps) {
  std::vector<Picture> pictures;
  for (const char* heap : heaps) pictures.push_back({heap, headers});
  return pictures;
}

INSTANTIATE_TEST_SUITE_P(
    Heaps, Judgement,
    ::testing::ValuesIn(pictures(true, {"...", "[100]...", "[100][.48.][16]...", "[.0.][16]...",
                                        "[16][.0.][16][.16.][0]...", "[384]", "[.80.][288]",
                                        "[0][0][0][0]...", "[.16.][0][.0.][0][.64.][7]...",
                                        "[368][0]", "[0][368]", "[.336.][0][0][0]"})));
INSTANTIATE_TEST_SUITE_P(
    BareHeaps, Judgement,
    ::testing::ValuesIn(pictures(false, {"...", "[112]...", "[112][.48.][16]...", "[.16.][16]...",
                                         "[16][.16.][16][.32.][16]...", "[16][16][16][16]...",
                                         "[.32.][16][.16.][16][.64.][64]..."})));

TEST_P(Judgement, IsWhatTheWalkShows) {
  for (const auto base :
       {std::optional<Address>{}, std::optional<Address>{0}, std::optional<Address>{0x10000}}) {
    Rig rig(counted_from(base));
    draw(rig, GetParam().heap);
    ASSERT_EQ(drawing(rig), GetParam().heap);
    expect_agreement(rig);
  }
}

// free and realloc ask the same judge, and what it refuses changes nothing.
TEST_P(Judgement, IsTheSameForFreeAndRealloc) {
  Rig rig(counted_from(std::nullopt));
  draw(rig, GetParam().heap);
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
  draw(rig, GetParam().heap);
  for (const BlockInfo& block : rig.walk()) {
    if (block.live) rig.free(block.address);
  }
  EXPECT_EQ(drawing(rig), "...");
}

// A bare heap from its first byte to its last. (With base 0 its last granule would not be there.)
TEST(JudgementOfAFullHeap, IsWhatTheWalkShows) {
  for (const char* const heap : {"[400]", "[.80.][320]", "[384][16]", "[16][384]", "[.352.][48]"}) {
    Options bare = sized(400);
    bare.headers = false;
    Rig rig(bare);
    draw(rig, heap);
    ASSERT_EQ(drawing(rig), heap);
    Judgement::expect_agreement(rig);
  }
}

// A double free is one whatever was merged since, for every size, between every kind of neighbours.
class DoubleFree : public EveryPolicy {};
INSTANTIATE_TEST_SUITE_P(Policies, DoubleFree, ::testing::ValuesIn(variants()), by_name);

TEST_P(DoubleFree, IsSeenWhateverWasMergedSince) {
  for (const Size size : {0U, 1U, 16U, 17U, 100U}) {
    for (unsigned freed = 0; freed < 4; ++freed) {
      Rig rig(options(400));
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
