// What a heap knows of its region takes memory where blocks stand, and nowhere else: neither in a
// fresh heap of many gigabytes, nor after everything was cleared.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "block/block_map.hpp"
#include "policy/chunk_index.hpp"
#include "rig.hpp"

namespace glassheap {
namespace {

constexpr Size mib = Size{1} << 20;

// Bytes of this process that are in memory; 0 where the system does not tell.
Size resident() {
  unsigned long long pages = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<Size>(sysconf(_SC_PAGESIZE));
}
Size more_than(Size before) {
  const Size now = resident();
  return now > before ? now - before : 0;
}

class Footprint : public EveryPolicy {};
INSTANTIATE_TEST_SUITE_P(Policies, Footprint, ::testing::ValuesIn(variants()), by_name);

// The block map alone has half a gigabyte of bits for this region. Large pages, where the system
// gives them unasked, are 2 MiB each; buddies begin as a score of blocks.
TEST_P(Footprint, OfAFreshHeapIsNextToNothingAndSoIsThatOfOneThatWasReset) {
  const Size before = resident();
  Rig rig(options(Size{32} << 30));
  EXPECT_LT(more_than(before), 128 * mib);
  rig.free(rig.malloc(100));
  rig.malloc(rig->size() / 4);
  rig.malloc(100);
  rig.reset();
  EXPECT_LT(more_than(before), 128 * mib);
  EXPECT_EQ(rig.free_list(), rig.first_list());
}

TEST(FootprintOfTheBlockMap, IsGivenBackWhenItIsCleared) {
  constexpr Size size = Size{4} << 30;
  BlockMap map(size);
  const Size before = resident();
  map.add_live({0, size});
  for (Offset at = mib / 2; at < size; at += mib / 2) map.add_live({at, size - at});
  if (before != 0) {
    EXPECT_GT(more_than(before), 24 * mib);
  }
  map.clear();
  EXPECT_LT(more_than(before), 8 * mib);
  EXPECT_FALSE(map.live_at(0));
  EXPECT_FALSE(map.live_at(mib));
  map.add_free({0, size});
  EXPECT_EQ(map.block_at(0).extent, size);
}

TEST(FootprintOfAPyramid, IsGivenBackWhenItIsCleared) {
  constexpr std::size_t count = std::size_t{8} << 20;
  Pyramid<MaxSummary> maxima(count);
  const Size before = resident();
  for (std::size_t i = 0; i < count; i += 1024) maxima.include(i, 1);
  if (before != 0) {
    EXPECT_GT(more_than(before), 24 * mib);
  }
  maxima.clear();
  EXPECT_LT(more_than(before), 8 * mib);
  EXPECT_EQ(maxima.first(1), Pyramid<MaxSummary>::none);
}

// Too little for pages of its own: zeros all the same.
TEST(FootprintOfAPyramid, IsZeroAgainWhenItIsSmall) {
  Pyramid<MaxSummary> maxima(1000);
  maxima.include(999, 5);
  maxima.clear();
  EXPECT_EQ(maxima.all(), 0);
  EXPECT_EQ(maxima[999], 0);
}

}  // namespace
}  // namespace glassheap
