// Alignment: any power of two up to a quarter of the region, for the heap's address of the payload
// and for its real address in memory. The model has the rest: which alignments are refused, and
// where a block with an alignment is placed.

#include <gtest/gtest.h>

#include "heap_fixture.hpp"

namespace glassheap {
namespace {

class Alignment : public EveryPolicy {
 protected:
  static void expect_aligned(HeapFixture& heap, Address payload, Size align) {
    EXPECT_EQ(payload % align, 0U) << "the heap's address, for " << align;
    EXPECT_EQ(std::bit_cast<Address>(heap.at(payload)) % align, 0U)
        << "the real address, for " << align;
  }

  // Expects every power of two up to a quarter of the region to be served, once in a fresh heap and
  // once behind a block that spoils the alignment.
  static void expect_all_served(Size size, std::optional<Address> base) {
    Options wanted = options(size);
    wanted.base = base;
    for (Size align = 1; align <= round_up(size, 16) / 4; align *= 2) {
      HeapFixture heap(wanted);
      expect_aligned(heap, heap.malloc(16, align), align);
      heap.reset();
      heap.malloc(0);
      expect_aligned(heap, heap.malloc(16, align), align);
      EXPECT_TRUE(heap.check().empty());
    }
  }
};
GLASSHEAP_FOR_EVERY(Alignment);

// With base 0 addresses are offsets; with odd multiples of 16 the heap's addresses and the real
// ones differ most. A quarter of the region is a quarter of its size rounded up to a granule.
TEST_P(Alignment, HoldsFromEveryBaseInEveryRegion) {
  for (const Size size : {64U, 113U, 255U, 256U, 4081U, 4096U, 5008U, 65535U, 1U << 20}) {
    expect_all_served(size, std::nullopt);
    for (const Address base : {Address{0}, Address{16}, Address{48}, Address{512}, Address{0x12340},
                               Address{1} << 40, (Address{1} << 40) + 4080})
      expect_all_served(size, base);
  }
}

}  // namespace
}  // namespace glassheap
