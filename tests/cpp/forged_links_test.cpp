// Hostile bytes. A flipped byte is an accident; here an attacker chooses the bytes: every link and
// every number of a record, in every node of a small heap. The heap need not detect each of them at
// once, but no call may loop for ever, touch a payload, or leave the region; check() finds the
// damage; and reset() repairs the heap. Overwrites at any place and of any length: random_test.cpp,
// and the fuzzers.

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "damaged_heap.hpp"
#include "drawing.hpp"
#include "every_policy.hpp"
#include "glassheap/layout.h"
#include "limits.hpp"

// Copying a circular list entry by entry would fill the machine's memory before the watchdog ends
// the program. So a large allocation is refused here; the tests need none. (Not inlined: otherwise
// the compiler warns that memory from new is passed to free.)
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  constexpr std::size_t most = std::size_t{64} << 20;
  return size > most ? nullptr : std::malloc(size);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* const memory = operator new(size, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}

namespace glassheap {
namespace {

class ForgedLinks : public EveryPolicy {
 protected:
  static void write_links(CheckedHeap& heap, Address node, std::uint32_t next,
                          std::uint32_t record) {
    heap.write_number(node + offsetof(node_t, next), std::array{next, record});
  }
  static std::uint32_t granule(const CheckedHeap& heap, Address at) {
    return static_cast<std::uint32_t>((at - heap->base()) / granule_size);
  }

  // Every granule of the region and the first one beyond it, GLASSHEAP_NIL and the number below it.
  static std::vector<std::uint32_t> targets(const CheckedHeap& heap) {
    std::vector<std::uint32_t> links = {GLASSHEAP_NIL, GLASSHEAP_NIL - 1};
    for (std::uint32_t i = 0; i <= heap->size() / 16; ++i) links.push_back(i);
    return links;
  }

  // Calls test(heap, node) for each free block of the drawn heap, and each pair of links in its
  // node except the true one.
  template <typename Test>
  static void for_each_pair_of_links(Size size, std::string_view text, Test test) {
    const Watchdog watchdog(60);
    CheckedHeap heap(options(size));
    arrange(heap, text);
    for (const BlockInfo& block : heap.view().blocks) {
      if (block.live) continue;
      for (const std::uint32_t next : targets(heap)) {
        for (const std::uint32_t record : targets(heap)) {
          SCOPED_TRACE(::testing::Message() << block.start << ": " << next << ", " << record);
          heap.reset();
          arrange(heap, text);
          const node_t original = heap.read<node_t>(block.start);
          if (original.next == next && original.record == record) continue;
          write_links(heap, block.start, next, record);
          test(heap, block);
          if (HasFatalFailure()) return;
        }
      }
    }
  }

  // Calls test(heap, i) for the first or the last two free blocks in the list of a small heap, and
  // all links in their nodes, or every `step`-th of these.
  template <typename Test>
  static void for_each_pair_of_nodes(bool last, int step, Test test) {
    const Watchdog watchdog(100);
    CheckedHeap heap(options(144));
    const std::vector<std::uint32_t> links = targets(heap);
    const std::size_t n = links.size();
    for (std::size_t i = 0; i < n * n * n * n; i += static_cast<std::size_t>(step)) {
      heap.reset();
      arrange(heap, "[.16.][0][.0.][16]...");
      const auto list = heap.view().free_list;
      const std::size_t first = last ? list.size() - 2 : 0;
      write_links(heap, list[first].address, links[i % n], links[i / n % n]);
      write_links(heap, list[first + 1].address, links[i / n / n % n], links[i / n / n / n]);
      ASSERT_NO_THROW(test(heap, i)) << i;
    }
  }

  // Uses the heap in every way: an impossible request, frees of every block from one end or the
  // other, the smallest request again and again until it is refused, inspection.
  static void use(CheckedHeap& heap, bool from_end) {
    heap.malloc(heap->size());
    for (auto left = heap.model().live().size(); left > 0; --left) {
      const auto& live = heap.model().live();
      heap.free(from_end ? live.rbegin()->first : live.begin()->first);
      if (heap.fault()) break;
    }
    while (heap.malloc(0) != 0) continue;
    heap.inspect();
  }
};
GLASSHEAP_FOR_EVERY(ForgedLinks);

// A circle through all the nodes, consistent in both directions: only the ends of the list show it.
TEST_P(ForgedLinks, ThatCloseTheListToACircleDoNotLoop) {
  const Watchdog watchdog(10);
  CheckedHeap heap(options(1024));
  arrange(heap, "[.16.][0][.16.][0][.16.][0]...");
  const auto list = heap.view().free_list;
  const std::size_t n = list.size();
  for (std::size_t i = 0; i < n; ++i)
    write_links(heap, list[i].address, granule(heap, list[(i + 1) % n].address),
                granule(heap, list[(i + n - 1) % n].address));
  heap.malloc(16);
  EXPECT_EQ(heap.fault().kind, FaultKind::free_list_corrupted);
  heap.inspect();
}

// All pairs of links in one node, each followed by every kind of use.
TEST_P(ForgedLinks, OfEveryKindInOneNodeAreContained) {
  for_each_pair_of_links(192, "[.0.][10][.0.][16][.0.][16]",
                         [](CheckedHeap& heap, const BlockInfo&) { use(heap, false); });
}

// If one node is forged and the others are intact, no pair of links except the true one is
// accepted: a free of the block behind the node is refused, though it touches no other node. Where
// coalescing is deferred, so is a request that needs both.
TEST_P(ForgedLinks, OfEveryKindInOneNodeAreNamedByAFreeThatMerges) {
  std::size_t named = 0;
  const auto test = [&named](CheckedHeap& heap, const BlockInfo& node) {
    for (const BlockInfo& block : heap.view().blocks) {
      if (!block.live || block.start < node.start || !would_coalesce(heap, block, node)) continue;
      heap.free(block.address);
      if (defers_coalescing(options())) heap.malloc(block.extent + node.extent - front());
      EXPECT_EQ(heap.fault().kind, FaultKind::free_list_corrupted);
      ASSERT_EQ(heap.fault().offset, node.start - heap->base());
      ++named;
    }
  };
  const Size size = has_headers(options()) ? 224 : 144;  // which leaves a free granule at the end
  for_each_pair_of_links(size, "[.0.][10][8][.0.][16][8][.0.][16]", test);
  EXPECT_GT(named, 0U);
}

// A forged node in a payload is not accepted, even if it names the record of a free block, and the
// node of that block names it as the next: no link is followed, and the record says where its block
// starts. Of adjacent blocks, with any policy that coalesces, the first two merge when both are
// free. Where that is deferred, the second is taken after the first.
TEST_P(ForgedLinks, ToANodeForgedInUserDataAreDetected) {
  CheckedHeap heap(options(1024));
  std::vector<Address> payloads;
  for (const Size size : {0U, 0U, 0U, 0U, 100U}) payloads.push_back(heap.malloc(size));
  heap.free(payloads[1]);
  const Address node = payloads[1] - front();
  const Address forged = payloads[4] + 32;
  const node_t was = heap.read<node_t>(node);
  write_links(heap, forged, was.next, was.record);
  write_links(heap, node, granule(heap, forged), was.record);
  heap.free(payloads[0]);
  for (int i = 0; defers_coalescing(options()) && i < 2; ++i) heap.malloc(0);
  EXPECT_EQ(heap.fault().kind, FaultKind::free_list_corrupted);
}

// All pairs of links in two nodes at once, each followed by every kind of use.
TEST_P(ForgedLinks, OfEveryKindInTwoNodesAreContained) {
  for_each_pair_of_nodes(false, scaled(5, 67),
                         [](CheckedHeap& heap, std::size_t i) { use(heap, i % 2 == 1); });
}

// A batch that meets them half-way has already taken blocks, and must return them although it
// cannot trust the nodes.
TEST_P(ForgedLinks, OfEveryKindLeaveNoTraceOfARefusedBatch) {
  for_each_pair_of_nodes(true, scaled(11, 151), [](CheckedHeap& heap, std::size_t) {
    heap.malloc_many({0, 0, 16, 0, 5000});
    heap.inspect();
  });
}

}  // namespace
}  // namespace glassheap
