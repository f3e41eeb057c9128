// The checker, at every byte address in and around a region: its result must be the one that
// follows from the blocks, as the model has it.

#include <gtest/gtest.h>

#include "drawing.hpp"
#include "every_policy.hpp"

namespace glassheap {
namespace {

struct Drawing {
  const char* heap;
  bool headers;
  std::optional<Address> base;
};

void PrintTo(const Drawing& drawn, std::ostream* out) {
  *out << drawn.heap << (drawn.headers ? "" : ", headerless");
}

// Heaps with headers, and without. (With base 0 the latter are a granule shorter.)
std::vector<Drawing> drawings() {
  std::vector<Drawing> all;
  for (const std::optional<Address> base : {std::optional<Address>(), {0}, {0x10000}}) {
    for (const char* const heap :
         {"...", "[100]...", "[100][.48.][16]...", "[.0.][16]...", "[16][.0.][16][.16.][0]...",
          "[384]", "[.80.][288]", "[0][0][0][0]...", "[.16.][0][.0.][0][.64.][7]...", "[368][0]",
          "[0][368]", "[.336.][0][0][0]"})
      all.push_back({heap, true, base});
    for (const char* const heap :
         {"...", "[112]...", "[112][.48.][16]...", "[.16.][16]...", "[16][.16.][16][.32.][16]...",
          "[16][16][16][16]...", "[.32.][16][.16.][16][.64.][64]..."})
      all.push_back({heap, false, base});
  }
  for (const char* const full : {"[400]", "[.80.][320]", "[384][16]", "[16][384]", "[.352.][48]"})
    all.push_back({full, false, std::nullopt});
  return all;
}

class PointerCheck : public ::testing::TestWithParam<Drawing> {};
INSTANTIATE_TEST_SUITE_P(Heaps, PointerCheck, ::testing::ValuesIn(drawings()));

// Every call that takes a pointer uses the same checker, and a refused call changes nothing.
TEST_P(PointerCheck, AgreesWithTheModel) {
  Options options = based(sized(400), GetParam().base);
  options.headers = GetParam().headers;
  CheckedHeap heap(options);
  arrange(heap, GetParam().heap);
  ASSERT_EQ(drawing(heap), GetParam().heap);
  std::vector<Address> pointers = {1, 15, 16, 17, ~Address{0}, ~Address{0} - 15, Address{1} << 63};
  for (Address at = heap->base() - 64; at != heap->base() + heap->size() + 64; ++at)
    pointers.push_back(at);
  for (const Address pointer : pointers) {
    heap.query(pointer);
    if (heap.model().live().contains(pointer) || pointer == 0) continue;
    heap.free(pointer);
    heap.realloc(pointer, 1);
  }
  while (!heap.model().live().empty()) heap.free(heap.model().live().begin()->first);
  EXPECT_EQ(drawing(heap), "...");
}

// A double free is detected whatever was merged since, for each size and each kind of neighbours.
class DoubleFree : public EveryPolicy {};
GLASSHEAP_FOR_EVERY(DoubleFree);

TEST_P(DoubleFree, IsDetectedWhateverWasMergedSince) {
  for (const Size size : {0U, 1U, 16U, 17U, 100U}) {
    for (unsigned freed = 0; freed < 4; ++freed) {
      CheckedHeap heap(options(400));
      const std::vector<Address> payloads = heap.malloc_many({16, size, 16});
      if ((freed & 1) != 0) heap.free(payloads[0]);
      heap.free(payloads[1]);
      if ((freed & 2) != 0) heap.free(payloads[2]);
      heap.free(payloads[1]);
      EXPECT_EQ(heap.fault().kind, FaultKind::double_free)
          << size << " bytes, in " << drawing(heap);
    }
  }
}

// The start of a live block is also the payload address of an empty block that ended there and was
// merged into the free block before it. If there was no such block, or its memory was allocated
// again as part of another block, the pointer is not a double free.
TEST(DoubleFreeOfAnEmptyBlock, IsReportedOnlyWhereOneWasAndUntilItsPlaceIsLiveAgain) {
  CheckedHeap heap(sized(1024));
  const std::vector<Address> payloads = heap.malloc_many({16, 0, 16});
  heap.free(payloads[0]);
  heap.free(payloads[1] - 16);
  EXPECT_EQ(heap.fault().kind, FaultKind::interior_pointer);
  heap.free(payloads[1]);
  heap.free(payloads[1]);
  EXPECT_EQ(heap.fault().kind, FaultKind::double_free);
  ASSERT_EQ(heap.malloc(32), payloads[0]);
  heap.free(payloads[1]);
  EXPECT_EQ(heap.fault().kind, FaultKind::interior_pointer);
}

}  // namespace
}  // namespace glassheap
