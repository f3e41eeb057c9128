// reset() and old contents: a heap is brought back whole, and no new payload ever shows the heap's
// own numbers: a link, a seal, a magic number of some block that was there before.

#include <gtest/gtest.h>

#include <random>

#include "rig.hpp"

namespace glassheap {
namespace {

class Reset : public EveryPolicy {
 protected:
  static void make_a_mess(Rig& rig) {
    std::vector<Address> payloads;
    for (Size size = 0; size < 20; ++size) payloads.push_back(rig.malloc(size * 7));
    for (std::size_t i = 0; i < 20; i += 3) rig.free(payloads[i]);
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Reset, ::testing::ValuesIn(variants()), by_name);

TEST_P(Reset, GivesBackTheFirstState) {
  Rig rig(options());
  const std::vector<std::byte> first(rig.region(), rig.region() + rig->size());
  const auto walk = rig.walk();
  make_a_mess(rig);
  rig.reset();
  EXPECT_EQ(rig.walk(), walk);
  EXPECT_EQ(rig.free_list(), (std::vector<FreeBlock>{{rig->base(), 4096 - front()}}));
  EXPECT_TRUE(std::equal(first.begin(), first.end(), rig.region()))
      << "Some front was not scrubbed.";
  EXPECT_TRUE(rig.check().empty());
}

TEST_P(Reset, LeavesNoBlockAndNoSum) {
  Rig rig(options());
  make_a_mess(rig);
  rig.reset();
  const Stats stats = rig.stats();
  EXPECT_EQ(stats.live_blocks, 0U);
  EXPECT_EQ(stats.requested, 0U);
  EXPECT_EQ(stats.used, 0U);
  EXPECT_EQ(stats.overhead, 0U);
  EXPECT_EQ(stats.available, 4096 - front());
}

TEST_P(Reset, RefusesOldAddressesUntilTheyAreHandedOutAgain) {
  Rig rig(options());
  const Address a = rig.malloc(32);
  const Address b = rig.malloc(32);
  rig.reset();
  EXPECT_EQ(rig.refused_free(a).kind, FaultKind::double_free);
  EXPECT_EQ(rig.refused_free(b).kind, FaultKind::double_free);
  EXPECT_EQ(rig.malloc(32), a);
  rig.free(a);
}

TEST_P(Reset, BringsBackADamagedHeap) {
  Rig rig(options());
  make_a_mess(rig);
  std::memset(rig.region(), 0xFF, rig->size());
  EXPECT_FALSE(rig.check().empty());
  rig.reset();
  EXPECT_TRUE(rig.check().empty());
  EXPECT_EQ(rig.free_list(), (std::vector<FreeBlock>{{rig->base(), 4096 - front()}}));
  rig.free(rig.malloc(4096 - front()));
}

// --- Old contents. -----------------------------------------------------------------------------

// With payloads that nobody writes to, the only non-zero bytes are the heap's own. So a new payload
// must be all zeros, after any history.
class OldContents : public EveryPolicy {
 protected:
  // Whether new blocks of all the memory that is left show nothing but zeros. The largest hole
  // first, so that each hole is still whole when its turn comes.
  static void expect_clean(Rig& rig) {
    while (!rig.free_list().empty()) {
      const Size size = rig.stats().largest_free;
      const Address payload = rig.malloc(size);
      for (Size i = 0; i < size; ++i) ASSERT_EQ(rig.at(payload)[i], std::byte{0}) << i;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, OldContents, ::testing::ValuesIn(variants()), by_name);

TEST_P(OldContents, AreGoneFromANewPayloadAfterAnyHistory) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    Rig rig(options(1024));
    std::vector<Address> live;
    for (int step = 0; step < 60; ++step) {
      Fault fault;
      const std::size_t i = live.empty() ? 0 : random() % live.size();
      switch (live.empty() ? 0 : random() % 4) {
        case 0:
          live.push_back(rig->malloc(random() % 100, Size{16} << random() % 5, fault));
          break;
        case 1:
          if (const Address moved = rig->realloc(live[i], random() % 200, 16, fault))
            live[i] = moved;
          break;
        default:
          rig.free(live[i]);
          live.erase(live.begin() + static_cast<std::ptrdiff_t>(i));
      }
      if (!live.empty() && live.back() == 0) live.pop_back();
    }
    ASSERT_NO_FATAL_FAILURE(expect_clean(rig)) << "seed " << seed;
  }
}

TEST_P(OldContents, AreGoneAfterReset) {
  Rig rig(options(1024));
  for (Size size = 0; size < 10; ++size) rig.malloc(size * 5);
  rig.reset();
  expect_clean(rig);
}

TEST_P(OldContents, AreGoneAfterABatchThatWasRefused) {
  Rig rig(options(1024));
  const std::vector<Size> sizes = {16, 48, 0, 32, 5000};
  std::vector<Address> addresses(sizes.size());
  EXPECT_FALSE(rig.refused([&](Fault& f) { rig->malloc_many(sizes, addresses, f); }).kind ==
               FaultKind::none);
  expect_clean(rig);
}

// A block that grows takes in the front of its neighbour: the new bytes must not show its node.
TEST_P(OldContents, AreGoneFromTheBytesThatABlockGrewInto) {
  Rig rig(options(1024));
  const Address payload = rig.realloc(rig.malloc(20), 400);
  for (Size i = 20; i < 400; ++i) ASSERT_EQ(rig.at(payload)[i], std::byte{0}) << i;
}

}  // namespace
}  // namespace glassheap
