// The heap's own arrays take memory only for the parts of the region that have blocks: almost none
// in a fresh heap of many gigabytes, and almost none after a clear.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "block/block_map.hpp"
#include "every_policy.hpp"
#include "policy/chunk_index.hpp"

namespace glassheap {
namespace {

constexpr Size mib = Size{1} << 20;

// Resident bytes of this process; 0 if the system does not report them.
Size resident() {
  unsigned long long pages = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<Size>(sysconf(_SC_PAGESIZE));
}
Size growth_since(Size before) {
  const Size now = resident();
  return now > before ? now - before : 0;
}

class Footprint : public EveryPolicy {};
GLASSHEAP_FOR_EVERY(Footprint);

// The block map alone has half a gigabyte of bits for this region. Huge pages, which the system may
// use on its own, are 2 MiB each; a fresh buddy heap has about twenty blocks.
TEST_P(Footprint, OfAFreshHeapAndOfAResetHeapIsSmall) {
  const Size before = resident();
  CheckedHeap heap(options(Size{32} << 30));
  EXPECT_LT(growth_since(before), 128 * mib);
  heap.free(heap.malloc(100));
  heap.malloc(heap->size() / 4);
  heap.malloc(100);
  heap.reset();
  EXPECT_LT(growth_since(before), 128 * mib);
}

// Expects that `fill` makes the process grow, and `clear` gives that back.
void expect_returned(auto fill, auto clear) {
  const Size before = resident();
  fill();
  EXPECT_TRUE(before == 0 || growth_since(before) > 24 * mib);
  clear();
  EXPECT_LT(growth_since(before), 8 * mib);
}

TEST(FootprintOfTheBlockMap, IsReturnedByClear) {
  constexpr Size size = Size{4} << 30;
  BlockMap map(size);
  const auto fill = [&] {
    map.add_live({0, size});
    for (Offset at = mib / 2; at < size; at += mib / 2) map.add_live({at, size - at});
  };
  expect_returned(fill, [&] { map.clear(); });
  EXPECT_FALSE(map.live_at(0) || map.live_at(mib));
  map.add_free({0, size});
  EXPECT_EQ(map.block_at(0).extent, size);
}

TEST(FootprintOfAPyramid, IsReturnedByClear) {
  constexpr std::size_t count = std::size_t{32} << 20;
  Pyramid maxima(count);
  const auto fill = [&] {
    for (std::size_t i = 0; i < count; i += 1024) maxima.raise(i, 1);
  };
  expect_returned(fill, [&] { maxima.clear(); });
  EXPECT_EQ(maxima.first(1), Pyramid::none);
}

}  // namespace
}  // namespace glassheap
