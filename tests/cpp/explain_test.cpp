// Heap::explain: the cause of an out_of_memory, and the live blocks in the way.

#include <gtest/gtest.h>

#include "heap_fixture.hpp"

namespace glassheap {
namespace {

Options counted_from_0(Size size) {
  Options options = sized(size);
  options.base = 0;
  return options;
}

// A heap full of blocks of 48 bytes; every second one is free.
std::vector<Address> allocate_stripes(HeapFixture& heap, int count) {
  std::vector<Address> payloads;
  for (int i = 0; i < count; ++i) payloads.push_back(heap.malloc(48));
  for (int i = 0; i < count; i += 2) heap.free(payloads[static_cast<std::size_t>(i)]);
  return payloads;
}

void expect_end(const std::string& text, const std::string& end) {
  EXPECT_TRUE(text.ends_with(end)) << text;
}

TEST(Explain, NamesTheBlocksBetweenTheLargestFreeOnes) {
  HeapFixture heap(counted_from_0(6 * 64));
  allocate_stripes(heap, 6);
  EXPECT_EQ(heap->explain(heap.refused_malloc(100)),
            "no free block can hold 100 bytes: 144 are available in 3 free blocks, the largest of "
            "which offers 48. Free something, ask for less, or open a larger heap. The cause is "
            "fragmentation (fragmentation index 0.19): in one piece, the free memory would do. "
            "Between the largest two, of 48 and 48 bytes, one live block stands: 48 bytes at "
            "0x50.");
}

TEST(Explain, CountsTheBlocksBetweenAndNamesTheFirstThree) {
  HeapFixture heap(counted_from_0(4096));
  const Address first = heap.malloc(400);
  for (int i = 0; i < 6; ++i) heap.malloc(100);
  const Address last = heap.malloc(500);
  heap.malloc(16);
  heap.malloc(heap.stats().largest_free);
  heap.free(first);
  heap.free(last);
  expect_end(heap->explain(heap.refused_malloc(700)),
             " Between the largest two, of 400 and 512 bytes, 6 live blocks stand: 100 "
             "bytes at 0x1b0, 100 bytes at 0x230, 100 bytes at 0x2b0, and others.");
}

TEST(Explain, DescribesTheHeapAsItIsNow) {
  HeapFixture heap(counted_from_0(6 * 64));
  const std::vector<Address> payloads = allocate_stripes(heap, 6);
  const Fault refused = heap.refused_malloc(100);
  heap.free(payloads[1]);
  expect_end(heap->explain(refused),
             "Between the largest two, of 176 and 48 bytes, one live block stands: 48 "
             "bytes at 0xd0.");
  heap.reset();
  expect_end(heap->explain(refused), "the free memory would do.");
  heap.close();
  expect_end(heap->explain(refused), "the free memory would do.");
}

// Buddies that are free side by side and do not merge.
TEST(Explain, TellsIfNoLiveBlockIsBetween) {
  Options buddy = counted_from_0(400);
  buddy.policy = "buddy";
  HeapFixture heap(buddy);
  expect_end(heap->explain(heap.refused_malloc(300)),
             "of 240 and 112 bytes, no live block stands.");
}

TEST(Explain, NamesEveryOtherCause) {
  HeapFixture heap(counted_from_0(1024));
  heap.malloc(0);
  expect_end(heap->explain(heap.refused_malloc(993)), "The cause is a lack of memory.");
  expect_end(heap->explain(heap.refused_malloc(900, 256)),
             "The cause is the alignment: no free block has room from a multiple of 256 on.");
  expect_end(heap->explain(heap.refused_malloc_many({8, 980})),
             "The cause is the batch: its earlier sizes take the room.");
}

TEST(Explain, IsTheSentenceOfAnyOtherFault) {
  HeapFixture heap(counted_from_0(1024));
  const Fault refused = heap.refused_free(heap.malloc(16) + 1);
  EXPECT_EQ(heap->explain(refused), sentence(refused));
}

// The findings of check() name a suspect too.
TEST(Finding, NamesTheBlockThatEndsWhereTheDamageBegins) {
  HeapFixture heap(counted_from_0(1024));
  const Address culprit = heap.malloc(20);
  heap.malloc(20);
  std::memset(heap.at(culprit), 'A', 64);
  const Findings findings = heap.check();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].culprit.address, culprit);
  EXPECT_EQ(findings[0].sentence,
            "the header of the block at offset 48 has the magic number 0x41414141 instead of "
            "0xDEADBEEF: something wrote over it. The heap is damaged; a reset brings it back, "
            "empty. The likely culprit is the block at 0x10, of 20 bytes, serial 1: it ends where "
            "the damage begins.");
}

}  // namespace
}  // namespace glassheap
