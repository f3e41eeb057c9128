// Heap::explain: the cause of an out_of_memory, and the live blocks in the way.

#include <gtest/gtest.h>

#include "checked_heap.hpp"

namespace glassheap {
namespace {

// A heap full of blocks of 48 bytes; every second one is free.
std::vector<Address> allocate_stripes(CheckedHeap& heap) {
  const std::vector<Address> payloads = heap.malloc_many({48, 48, 48, 48, 48, 48});
  heap.free_many({payloads[0], payloads[2], payloads[4]});
  return payloads;
}

// Expects the end of the explanation of the last fault, or of an earlier one: in front of the remedy.
void expect_end(CheckedHeap& heap, const Fault& fault, const std::string& end) {
  const std::string remedy =
      cause_of(fault) == ShortageCause::alignment
          ? " Free something, ask for less or for a smaller align, or open a "
            "larger heap."
          : " Free something, ask for less, or open a larger heap.";
  EXPECT_TRUE(heap->explain(fault).ends_with(end + remedy)) << heap->explain(fault);
}
void expect_end(CheckedHeap& heap, const std::string& end) { expect_end(heap, heap.fault(), end); }

TEST(Explain, NamesTheBlocksBetweenTheLargestFreeOnes) {
  CheckedHeap heap(based(sized(6 * 64), 0));
  allocate_stripes(heap);
  heap.malloc(100);
  EXPECT_EQ(
      heap->explain(heap.fault()),
      "fragmented: no free block can hold 100 bytes: 144 are available in 3 free blocks, the "
      "largest of which offers 48 (fragmentation index 0.19). In one piece, the free memory "
      "would do. Between the largest two, of 48 and 48 bytes, one live block stands: 48 bytes "
      "at 0x50. Freeing 48 bytes would do: one block, at 0x50. Free something, ask for less, or "
      "open a larger heap.");
}

TEST(Explain, CountsTheBlocksBetweenAndNamesTheFirstThree) {
  CheckedHeap heap(based(sized(4096), 0));
  const auto payloads = heap.malloc_many({400, 100, 100, 100, 100, 100, 100, 500, 16});
  heap.malloc(heap.model().stats().largest_free);
  heap.free_many({payloads[0], payloads[7]});
  heap.malloc(700);
  expect_end(
      heap,
      " Between the largest two, of 400 and 512 bytes, 6 live blocks stand: 100 "
      "bytes at 0x1b0, 100 bytes at 0x230, 100 bytes at 0x2b0, and others. Freeing 200 bytes "
      "would do: 2 blocks, the first at 0x3b0.");
}

TEST(Explain, DescribesTheHeapAsItIsNow) {
  CheckedHeap heap(based(sized(6 * 64), 0));
  const std::vector<Address> payloads = allocate_stripes(heap);
  heap.malloc(100);
  const Fault refused = heap.fault();
  heap.free(payloads[1]);
  expect_end(heap, refused,
             "Between the largest two, of 176 and 48 bytes, one live block stands: 48 "
             "bytes at 0xd0.");
  heap.reset();
  expect_end(heap, refused, "the free memory would do.");
  heap.close();
  expect_end(heap, refused, "the free memory would do.");
}

// Buddies that are free side by side and do not merge.
TEST(Explain, TellsIfNoLiveBlockIsBetween) {
  Options buddy = based(sized(400), 0);
  buddy.policy = "buddy";
  CheckedHeap heap(buddy);
  heap.malloc(300);
  expect_end(heap, "of 240 and 112 bytes, no live block stands.");
}

TEST(Explain, NamesEveryOtherCause) {
  CheckedHeap heap(based(sized(1024), 0));
  heap.malloc(0);
  heap.malloc(993);
  EXPECT_TRUE(heap->explain(heap.fault()).starts_with("exhausted: "))
      << heap->explain(heap.fault());
  expect_end(heap, "the largest of which offers 992; in use are one block, 0 bytes.");
  heap.malloc(900, 256);
  expect_end(heap, "offers 992. None has room from a multiple of 256 on.");
  heap.malloc_many({8, 980});
  expect_end(heap, "; in use are one block, 0 bytes.");
}

// On one line, whatever is in a tag.
TEST(Explain, NamesTheOwners) {
  CheckedHeap heap(based(sized(6 * 64), 0));
  const Tag tag(*heap, "request\n17");
  for (const Address payload : allocate_stripes(heap)) tag.put_on(payload);
  heap.malloc(100);
  const std::string owner = "48 bytes at 0x50 (tag 'request\\x0a17', for ";
  EXPECT_NE(heap->explain(heap.fault()).find(owner), std::string::npos);
  heap.malloc(1000);
  const std::string most =
      "; most is held by tag 'request\\x0a17' (3 blocks, 144 bytes, the oldest for ";
  EXPECT_NE(heap->explain(heap.fault()).find(most), std::string::npos);
}

TEST(Explain, IsTheSentenceOfAnyOtherFault) {
  CheckedHeap heap(based(sized(1024), 0));
  heap.free(heap.malloc(16) + 1);
  EXPECT_EQ(heap->explain(heap.fault()), sentence(heap.fault()));
}

// The findings of check() name a suspect too.
TEST(Finding, NamesTheBlockThatEndsWhereTheDamageBegins) {
  CheckedHeap heap(based(sized(1024), 0));
  const Address culprit = heap.malloc(20);
  heap.malloc(20);
  heap.write(culprit, std::vector(64, std::byte{'A'}));
  const Findings findings = heap.inspect();
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
