// realloc: shrinking and growing in place, moving, failing; and in each case the contents.

#include <gtest/gtest.h>

#include "drawing.hpp"
#include "rig.hpp"

namespace glassheap {
namespace {

class Realloc : public EveryPolicy {
 protected:
  Rig rig_{options(1024)};

  // Bytes that tell their place, and whether the first `size` of them are still there.
  void stamp(Address payload, Size size) {
    for (Size i = 0; i < size; ++i) rig_.at(payload)[i] = static_cast<std::byte>(i * 7 + 1);
  }
  void expect_stamped(Address payload, Size size) {
    for (Size i = 0; i < size; ++i)
      ASSERT_EQ(rig_.at(payload)[i], static_cast<std::byte>(i * 7 + 1)) << i;
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Realloc, ::testing::ValuesIn(variants()), by_name);

class ReallocOfHeaders : public Realloc {};
INSTANTIATE_TEST_SUITE_P(Policies, ReallocOfHeaders, ::testing::ValuesIn(variants(has_headers)),
                         by_name);
class ExactRealloc : public Realloc {};
INSTANTIATE_TEST_SUITE_P(Policies, ExactRealloc, ::testing::ValuesIn(variants(cuts_anywhere)),
                         by_name);
class JoiningRealloc : public Realloc {};
INSTANTIATE_TEST_SUITE_P(Policies, JoiningRealloc, ::testing::ValuesIn(variants(joins_neighbours)),
                         by_name);

TEST_P(ExactRealloc, ShrinkingFreesTheTailInPlace) {
  const Address a = rig_.malloc(200);
  const Address wall = rig_.malloc(16);
  stamp(a, 200);
  EXPECT_EQ(rig_.realloc(a, 50), a);
  EXPECT_EQ(rig_.info(a).size, shown(50));
  EXPECT_EQ(rig_.info(a).extent, 64 + front());
  EXPECT_EQ(rig_.info(a + 64 + front()).start, a + 64);
  EXPECT_EQ(rig_.info(a + 64 + front()).size, 144 - front());
  EXPECT_EQ(rig_.free_list().size(), 2U);
  expect_stamped(a, 50);
  rig_.free(a);
  rig_.free(wall);
  expect_all_free(rig_);
}

TEST_P(JoiningRealloc, AShrunkTailMergesWithTheFreeBlockBehindIt) {
  const Address a = rig_.malloc(200);
  EXPECT_EQ(rig_.realloc(a, 0), a);
  EXPECT_EQ(rig_.info(a).size, shown(0));
  EXPECT_EQ(rig_.free_list(), (std::vector<FreeBlock>{{rig_->base() + 16, 1008 - front()}}));
}

TEST_P(Realloc, WithinTheRoundingOnlyTheSizeChanges) {
  const Address a = rig_.malloc(33);
  for (const Size size : {48U, 34U, 47U, 33U}) {
    EXPECT_EQ(rig_.realloc(a, size), a);
    EXPECT_EQ(rig_.info(a).size, shown(size));
    EXPECT_EQ(rig_.info(a).extent, extent(33));
  }
  EXPECT_EQ(rig_.stats().requested, shown(33));
}

TEST_P(ExactRealloc, GrowsIntoTheFreeBlockBehindIt) {
  const Address a = rig_.malloc(20);
  stamp(a, 20);
  EXPECT_EQ(rig_.realloc(a, 500), a);
  expect_stamped(a, 20);
  EXPECT_EQ(rig_.info(a).extent, 512 + front());
  EXPECT_EQ(rig_.free_list(), (std::vector<FreeBlock>{{a + 512, 512 - 2 * front()}}));
}

TEST_P(ExactRealloc, GrowsToTheLastByteOfItsNeighbour) {
  const Address a = rig_.malloc(100);
  EXPECT_EQ(rig_.realloc(a, 1024 - front()), a);
  EXPECT_TRUE(rig_.free_list().empty());
  EXPECT_EQ(rig_.realloc(a, 1008 - front()), a);
  EXPECT_EQ(rig_.free_list(), (std::vector<FreeBlock>{{rig_->base() + 1008, 16 - front()}}));
}

TEST_P(Realloc, MovesWhenItsNeighbourIsLive) {
  const Address a = rig_.malloc(40);
  const Address wall = rig_.malloc(16);
  stamp(a, 40);
  const Address moved = rig_.realloc(a, rig_.info(a).extent - front() + 1);
  EXPECT_NE(moved, a);
  expect_stamped(moved, 40);
  EXPECT_FALSE(rig_.contains(a));
  EXPECT_TRUE(rig_.contains(wall));
  EXPECT_EQ(rig_.refused_free(a).kind, FaultKind::double_free);
}

TEST_P(Realloc, OfNullIsMalloc) {
  const Address a = rig_.realloc(0, 30);
  EXPECT_EQ(rig_.info(a).size, shown(30));
  EXPECT_EQ(rig_.stats().mallocs, 1U);
}

TEST_P(Realloc, ThatCannotGrowChangesNothing) {
  const Address a = rig_.malloc(400);
  rig_.malloc(400);
  stamp(a, 400);
  for (const Size size : {rig_.info(a).extent - front() + 1, Size{1008}, largest_region + 1,
                          ~Size{0}, Size{1} << 63}) {
    const Fault fault = rig_.refused_realloc(a, size);
    EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
    EXPECT_EQ(fault.shortage.requested, size);
  }
  expect_stamped(a, 400);
}

TEST_P(Realloc, RefusesWhatFreeRefusesForTheSameReason) {
  const Address a = rig_.malloc(64);
  const Address b = rig_.malloc(64);
  rig_.free(b);
  for (const Address wrong : {a + 16, a + 8, b, b + 16, rig_->base() - 16, rig_->base() + 5000}) {
    const Fault by_realloc = rig_.refused_realloc(wrong, 8);
    const Fault by_free = rig_.refused_free(wrong);
    EXPECT_EQ(by_realloc.kind, by_free.kind);
    EXPECT_EQ(by_realloc.address, wrong);
  }
}

// An alignment is asked for again at each realloc, as in C.
TEST_P(Realloc, MovesToAnAlignmentThatItsPlaceDoesNotHave) {
  rig_.malloc(16);
  const Address a = rig_.malloc(40);
  ASSERT_NE(a % 256, 0U);
  stamp(a, 40);
  const Address aligned = rig_.realloc(a, 40, 256);
  EXPECT_EQ(aligned % 256, 0U);
  expect_stamped(aligned, 40);
  EXPECT_EQ(rig_.realloc(aligned, 20), aligned);
  EXPECT_TRUE(rig_.check().empty());
}

TEST_P(Realloc, IsCountedApart) {
  const Address a = rig_.malloc(40);
  rig_.malloc(16);
  rig_.realloc(rig_.realloc(a, 100), 8);
  const Stats stats = rig_.stats();
  EXPECT_EQ(stats.mallocs, 2U);
  EXPECT_EQ(stats.reallocs, 2U);
  EXPECT_EQ(stats.frees, 0U);
}

TEST_P(ReallocOfHeaders, KeepsTheSerialInPlaceAndCountsOnWhenItMoves) {
  const Address a = rig_.malloc(40);
  rig_.malloc(16);
  EXPECT_EQ(rig_.info(rig_.realloc(a, 20)).serial, 1U);
  EXPECT_EQ(rig_.info(rig_.realloc(a, 200)).serial, 3U);
}

}  // namespace
}  // namespace glassheap
