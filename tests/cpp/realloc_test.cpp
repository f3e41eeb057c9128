// realloc: shrinking and growing in place, moving, being refused; and the contents in each case.

#include <gtest/gtest.h>

#include "drawing.hpp"
#include "heap_fixture.hpp"

namespace glassheap {
namespace {

class Realloc : public EveryPolicy {
 protected:
  HeapFixture heap_{options(1024)};

  // Fills a payload with bytes that depend on their position; and expects the first `size` of them.
  void stamp(Address payload, Size size) {
    for (Size i = 0; i < size; ++i) heap_.at(payload)[i] = static_cast<std::byte>(i * 7 + 1);
  }
  void expect_stamped(Address payload, Size size) {
    for (Size i = 0; i < size; ++i)
      ASSERT_EQ(heap_.at(payload)[i], static_cast<std::byte>(i * 7 + 1)) << i;
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Realloc, ::testing::ValuesIn(variants()), by_name);

class ReallocWithHeaders : public Realloc {};
INSTANTIATE_TEST_SUITE_P(Policies, ReallocWithHeaders, ::testing::ValuesIn(variants(has_headers)),
                         by_name);
class ExactRealloc : public Realloc {};
INSTANTIATE_TEST_SUITE_P(Policies, ExactRealloc, ::testing::ValuesIn(variants(splits_anywhere)),
                         by_name);
class CoalescingRealloc : public Realloc {};
INSTANTIATE_TEST_SUITE_P(Policies, CoalescingRealloc,
                         ::testing::ValuesIn(variants(coalesces_neighbours)), by_name);

TEST_P(ExactRealloc, ShrinkingFreesTheTailInPlace) {
  const Address a = heap_.malloc(200);
  const Address wall = heap_.malloc(16);
  stamp(a, 200);
  EXPECT_EQ(heap_.realloc(a, 50), a);
  EXPECT_EQ(heap_.info(a).size, reported(50));
  EXPECT_EQ(heap_.info(a).extent, 64 + front());
  EXPECT_EQ(heap_.info(a + 64 + front()).start, a + 64);
  EXPECT_EQ(heap_.info(a + 64 + front()).size, 144 - front());
  EXPECT_EQ(heap_.free_list().size(), 2U);
  expect_stamped(a, 50);
  heap_.free(a);
  heap_.free(wall);
  expect_all_free(heap_);
}

TEST_P(CoalescingRealloc, AShrunkTailMergesWithTheFreeBlockBehindIt) {
  const Address a = heap_.malloc(200);
  EXPECT_EQ(heap_.realloc(a, 0), a);
  EXPECT_EQ(heap_.info(a).size, reported(0));
  EXPECT_EQ(heap_.free_list(), (std::vector<FreeBlock>{{heap_->base() + 16, 1008 - front()}}));
}

TEST_P(Realloc, WithinTheRoundingOnlyTheSizeChanges) {
  const Address a = heap_.malloc(33);
  for (const Size size : {48U, 34U, 47U, 33U}) {
    EXPECT_EQ(heap_.realloc(a, size), a);
    EXPECT_EQ(heap_.info(a).size, reported(size));
    EXPECT_EQ(heap_.info(a).extent, extent(33));
  }
  EXPECT_EQ(heap_.stats().requested, reported(33));
}

TEST_P(ExactRealloc, GrowsIntoTheFreeBlockBehindIt) {
  const Address a = heap_.malloc(20);
  stamp(a, 20);
  EXPECT_EQ(heap_.realloc(a, 500), a);
  expect_stamped(a, 20);
  EXPECT_EQ(heap_.info(a).extent, 512 + front());
  EXPECT_EQ(heap_.free_list(), (std::vector<FreeBlock>{{a + 512, 512 - 2 * front()}}));
}

TEST_P(ExactRealloc, GrowsToTheLastByteOfItsNeighbour) {
  const Address a = heap_.malloc(100);
  EXPECT_EQ(heap_.realloc(a, 1024 - front()), a);
  EXPECT_TRUE(heap_.free_list().empty());
  EXPECT_EQ(heap_.realloc(a, 1008 - front()), a);
  EXPECT_EQ(heap_.free_list(), (std::vector<FreeBlock>{{heap_->base() + 1008, 16 - front()}}));
}

TEST_P(Realloc, MovesWhenItsNeighbourIsLive) {
  const Address a = heap_.malloc(40);
  const Address wall = heap_.malloc(16);
  stamp(a, 40);
  const Address moved = heap_.realloc(a, heap_.info(a).extent - front() + 1);
  EXPECT_NE(moved, a);
  expect_stamped(moved, 40);
  EXPECT_FALSE(heap_.contains(a));
  EXPECT_TRUE(heap_.contains(wall));
  EXPECT_EQ(heap_.refused_free(a).kind, FaultKind::double_free);
}

TEST_P(Realloc, OfNullIsMalloc) {
  const Address a = heap_.realloc(0, 30);
  EXPECT_EQ(heap_.info(a).size, reported(30));
  EXPECT_EQ(heap_.stats().mallocs, 1U);
}

TEST_P(Realloc, ThatCannotGrowChangesNothing) {
  const Address a = heap_.malloc(400);
  heap_.malloc(400);
  stamp(a, 400);
  for (const Size size : {heap_.info(a).extent - front() + 1, Size{1008}, largest_region + 1,
                          ~Size{0}, Size{1} << 63}) {
    const Fault fault = heap_.refused_realloc(a, size);
    EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
    EXPECT_EQ(fault.argument, size);
  }
  expect_stamped(a, 400);
}

TEST_P(Realloc, RefusesWhatFreeRefusesForTheSameReason) {
  const Address a = heap_.malloc(64);
  const Address b = heap_.malloc(64);
  heap_.free(b);
  for (const Address wrong : {a + 16, a + 8, b, b + 16, heap_->base() - 16, heap_->base() + 5000}) {
    const Fault by_realloc = heap_.refused_realloc(wrong, 8);
    const Fault by_free = heap_.refused_free(wrong);
    EXPECT_EQ(by_realloc.kind, by_free.kind);
    EXPECT_EQ(by_realloc.address, wrong);
  }
}

// Each realloc has an alignment of its own: the default if none is given, as in C.
TEST_P(Realloc, MovesToAnAlignmentThatItsPlaceDoesNotHave) {
  heap_.malloc(16);
  const Address a = heap_.malloc(40);
  ASSERT_NE(a % 256, 0U);
  stamp(a, 40);
  const Address aligned = heap_.realloc(a, 40, 256);
  EXPECT_EQ(aligned % 256, 0U);
  expect_stamped(aligned, 40);
  EXPECT_EQ(heap_.realloc(aligned, 20), aligned);
  EXPECT_TRUE(heap_.check().empty());
}

TEST_P(Realloc, HasACounterOfItsOwn) {
  const Address a = heap_.malloc(40);
  heap_.malloc(16);
  heap_.realloc(heap_.realloc(a, 100), 8);
  const Stats stats = heap_.stats();
  EXPECT_EQ(stats.mallocs, 2U);
  EXPECT_EQ(stats.reallocs, 2U);
  EXPECT_EQ(stats.frees, 0U);
}

TEST_P(ReallocWithHeaders, KeepsTheSerialInPlaceAndTakesTheNextWhenItMoves) {
  const Address a = heap_.malloc(40);
  heap_.malloc(16);
  EXPECT_EQ(heap_.info(heap_.realloc(a, 20)).serial, 1U);
  EXPECT_EQ(heap_.info(heap_.realloc(a, 200)).serial, 3U);
}

}  // namespace
}  // namespace glassheap
