// Hostile bytes. A flipped byte is an accident; here an attacker chooses the bytes: every pair of
// links in every node of a small heap, and random overwrites of any length. The heap need not
// detect each of them at once, but no call may loop for ever, touch a payload, or leave the region;
// check() finds the damage; and reset() repairs the heap.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <random>

#include "block/block.hpp"
#include "damaged_heap.hpp"
#include "scale.hpp"
#include "watchdog.hpp"

// Copying a circular list entry by entry would fill the machine's memory before the watchdog ends
// the program. So a large allocation is refused here; the tests need none. (Not inlined: otherwise
// the compiler warns that memory from new is passed to free.)
[[gnu::noinline]] void* operator new(std::size_t size) {
  constexpr std::size_t most = std::size_t{64} << 20;
  void* const memory = size > most ? nullptr : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}

namespace glassheap {
namespace {

// Uses the heap in every way: an impossible request, inspection, these frees, and then the smallest
// request again and again, until it is refused.
void use(HeapFixture& heap, const std::vector<Address>& frees) {
  PayloadStamps stamps(heap);
  Fault fault;
  heap->malloc(heap->size(), 16, fault);
  expect_readable(heap);
  for (const Address payload : frees) {
    Fault refused;
    if (heap->free(payload, refused)) stamps.forget(payload);
    expect_readable(heap);
    stamps.expect_intact();
  }
  for (fault = {}; !fault;) heap->malloc(0, 16, fault);
  stamps.expect_intact();
  expect_recovery(heap);
}

std::vector<Address> live_payloads(HeapFixture& heap) {
  std::vector<Address> live;
  for (const BlockInfo& block : heap.walk()) {
    if (block.live) live.push_back(block.address);
  }
  return live;
}

class ForgedLinks : public EveryPolicy {
 protected:
  static void write_links(HeapFixture& heap, Offset node, std::uint32_t next, std::uint32_t prev) {
    std::memcpy(heap.region() + node + offsetof(node_t, next), &next, sizeof next);
    std::memcpy(heap.region() + node + offsetof(node_t, prev), &prev, sizeof prev);
  }

  static node_t read_node(HeapFixture& heap, Offset at) {
    node_t node;
    std::memcpy(&node, heap.region() + at, sizeof node);
    return node;
  }

  // Every granule of the region and the first one beyond it, GLASSHEAP_NIL and the number below it.
  static std::vector<std::uint32_t> targets(HeapFixture& heap) {
    std::vector<std::uint32_t> links = {GLASSHEAP_NIL, GLASSHEAP_NIL - 1};
    for (std::uint32_t i = 0; i <= heap->size() / 16; ++i) links.push_back(i);
    return links;
  }

  // Calls test(heap, node) for each free block of the drawn heap, and each pair of links in its
  // node except the true one.
  template <typename Test>
  static void for_each_pair_of_links(HeapFixture& heap, std::string_view text, Test test) {
    arrange(heap, text);
    std::vector<BlockInfo> nodes = heap.walk();
    std::erase_if(nodes, [](const BlockInfo& block) { return block.live; });
    for (const BlockInfo& block : nodes) {
      for (const std::uint32_t next : targets(heap)) {
        for (const std::uint32_t prev : targets(heap)) {
          SCOPED_TRACE(::testing::Message() << block.start << ": " << next << ", " << prev);
          heap.reset();
          arrange(heap, text);
          const node_t original = read_node(heap, block.start - heap->base());
          if (original.next == next && original.prev == prev) continue;
          write_links(heap, block.start - heap->base(), next, prev);
          test(heap, block);
          if (HasFatalFailure()) return;
        }
      }
    }
  }

  // Adjacent blocks: with any policy that coalesces, the first two merge when both are free, and so
  // do the next two.
  static std::vector<Address> four_empty_and_a_large_one(HeapFixture& heap) {
    std::vector<Address> payloads;
    for (const Size size : {0U, 0U, 0U, 0U, 100U}) payloads.push_back(heap.malloc(size));
    return payloads;
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, ForgedLinks, ::testing::ValuesIn(variants()), by_name);

// The simplest overwrite: zeros. In the node of a fresh heap, at offset 0, they are links to
// itself.
TEST_P(ForgedLinks, OfZeroInAFreshHeapDoNotLoop) {
  const Watchdog watchdog(10);
  HeapFixture heap(options(4096));
  write_links(heap, 0, 0, 0);
  const Fault fault = heap.refused_malloc(50);
  EXPECT_EQ(fault.kind, FaultKind::free_list_corrupted);
  expect_readable(heap);
  EXPECT_FALSE(heap.check().empty());
  expect_recovery(heap);
}

// A circle through all the nodes, consistent in both directions: only the ends of the list show it.
TEST_P(ForgedLinks, ThatCloseTheListToACircleDoNotLoop) {
  const Watchdog watchdog(10);
  HeapFixture heap(options(1024));
  arrange(heap, "[.16.][0][.16.][0][.16.][0]...");
  const auto list = heap.free_list();
  const auto granule = [&](std::size_t i) {
    return static_cast<std::uint32_t>((list[i % list.size()].address - heap->base()) / 16);
  };
  for (std::size_t i = 0; i < list.size(); ++i)
    write_links(heap, granule(i) * 16U, granule(i + 1), granule(i + list.size() - 1));
  EXPECT_EQ(heap.refused_malloc(16).kind, FaultKind::free_list_corrupted);
  expect_readable(heap);
  expect_recovery(heap);
}

// All pairs of links in one node, each followed by every kind of use.
TEST_P(ForgedLinks, OfEveryKindInOneNodeAreContained) {
  const Watchdog watchdog(60);
  HeapFixture heap(options(192));
  for_each_pair_of_links(heap, "[.0.][10][.0.][16][.0.][16]",
                         [](HeapFixture& forged, const BlockInfo&) { use(forged, {}); });
}

// If one node is forged and the others are intact, no pair of links except the true one is
// accepted: a free of the block behind the node is refused, though it touches no other node.
TEST_P(ForgedLinks, OfEveryKindInOneNodeAreNamedByAFreeThatMerges) {
  HeapFixture heap(options(224));
  std::size_t named = 0;
  const auto test = [&named](HeapFixture& forged, const BlockInfo& node) {
    const auto neighbour = mergeable_neighbour(forged, node);
    if (!neighbour) return;
    const Fault fault = forged.refused_free(neighbour->address);
    EXPECT_EQ(fault.kind, FaultKind::free_list_corrupted);
    ASSERT_EQ(fault.offset, node.start - forged->base());
    ++named;
  };
  for_each_pair_of_links(heap, "[.0.][10][8][.0.][16][8][.0.][16]", test);
  EXPECT_GT(named, 0U);
}

// A forged node in a payload is not accepted, even if it links back: no free block starts there in
// the block map.
TEST_P(ForgedLinks, ForwardToANodeForgedInUserDataAreDetected) {
  HeapFixture heap(options(1024));
  const std::vector<Address> payloads = four_empty_and_a_large_one(heap);
  heap.free(payloads[1]);
  const Offset node = payloads[1] - front() - heap->base();
  const Offset forged = payloads[4] - heap->base() + 32;
  write_links(heap, forged, read_node(heap, node).next, link_to(node));
  write_links(heap, node, link_to(forged), read_node(heap, node).prev);
  EXPECT_EQ(heap.refused_free(payloads[0]).kind, FaultKind::free_list_corrupted);
}

TEST_P(ForgedLinks, BackToANodeForgedInUserDataAreDetected) {
  HeapFixture heap(options(1024));
  const std::vector<Address> payloads = four_empty_and_a_large_one(heap);
  heap.free(payloads[0]);
  heap.free(payloads[3]);
  const Offset node = payloads[3] - front() - heap->base();
  const Offset forged = payloads[4] - heap->base() + 32;
  write_links(heap, forged, link_to(node), read_node(heap, node).prev);
  write_links(heap, node, read_node(heap, node).next, link_to(forged));
  EXPECT_EQ(heap.refused_free(payloads[2]).kind, FaultKind::free_list_corrupted);
}

// All pairs of links in two nodes at once, each followed by every kind of use.
TEST_P(ForgedLinks, OfEveryKindInTwoNodesAreContained) {
  const Watchdog watchdog(100);
  HeapFixture heap(options(144));
  const std::vector<std::uint32_t> links = targets(heap);
  const std::size_t n = links.size();
  for (std::size_t i = 0; i < n * n * n * n; i += static_cast<std::size_t>(scaled(5, 67))) {
    heap.reset();
    arrange(heap, "[.16.][0][.0.][16]...");
    const auto list = heap.free_list();
    std::vector<Address> live = live_payloads(heap);
    if (i % 2 == 1) std::ranges::reverse(live);
    write_links(heap, list[0].address - heap->base(), links[i % n], links[i / n % n]);
    write_links(heap, list[1].address - heap->base(), links[i / n / n % n], links[i / n / n / n]);
    use(heap, live);
    ASSERT_FALSE(HasFailure()) << i;
  }
}

// A batch that meets them half-way has already taken blocks, and must return them although it
// cannot trust the nodes.
TEST_P(ForgedLinks, OfEveryKindLeaveNoTraceOfARefusedBatch) {
  const Watchdog watchdog(100);
  HeapFixture heap(options(144));
  const std::vector<std::uint32_t> links = targets(heap);
  const std::vector<Size> sizes = {0, 0, 16, 0, 5000};
  std::vector<Address> addresses(sizes.size());
  const std::size_t n = links.size();
  for (std::size_t i = 0; i < n * n * n * n; i += static_cast<std::size_t>(scaled(11, 151))) {
    heap.reset();
    arrange(heap, "[.16.][0][.0.][16]...");
    const auto list = heap.free_list();
    const std::size_t last = list.size() - 1;
    write_links(heap, list[last - 1].address - heap->base(), links[i % n], links[i / n % n]);
    write_links(heap, list[last].address - heap->base(), links[i / n / n % n],
                links[i / n / n / n]);
    heap.refused([&](Fault& f) { EXPECT_FALSE(heap->malloc_many(sizes, addresses, f)); });
    expect_readable(heap);
    expect_recovery(heap);
    ASSERT_FALSE(HasFailure()) << i;
  }
}

// Overwrites at any place and of any length, with noise, zeros, ones or a copy of other bytes; then
// a random program that does not know of them.
class Overwrites : public EveryPolicy {
 protected:
  static void overwrite(HeapFixture& heap, std::mt19937& random) {
    const Size at = random() % heap->size();
    const Size length = 1 + random() % std::min<Size>(heap->size() - at, 64);
    const unsigned how = random() % 4;
    for (Size i = 0; i < length; ++i) {
      const unsigned bytes[] = {
          static_cast<unsigned>(random()), 0, 0xFF,
          std::to_integer<unsigned>(heap.region()[(i + random()) % heap->size()])};
      heap.region()[at + i] = static_cast<std::byte>(bytes[how]);
    }
  }
  static void play(HeapFixture& heap, std::mt19937& random) {
    const std::vector<Address> live = live_payloads(heap);
    for (int step = 0; step < 40; ++step) {
      Fault fault;
      const Address any = live[random() % live.size()];
      switch (random() % 4) {
        case 0:
          heap->malloc(random() % 100, Size{16} << random() % 3, fault);
          break;
        case 1:
          heap->realloc(any, random() % 300, 16, fault);
          break;
        default:
          heap->free(any, fault);
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Overwrites, ::testing::ValuesIn(variants()), by_name);

TEST_P(Overwrites, OfAnyKindAreContained) {
  const Watchdog watchdog(100);
  for (unsigned seed = 0; seed < static_cast<unsigned>(scaled(4000, 500)); ++seed) {
    std::mt19937 random(seed);
    HeapFixture heap(options(4096));
    arrange(heap, "[40][.48.][16][16][.32.][100][0][.0.][7][33][.64.][16]...");
    for (unsigned i = 0; i < 1 + seed % 3; ++i) overwrite(heap, random);
    Fault fault;
    heap->malloc(5000, 16, fault);
    play(heap, random);
    expect_readable(heap);
    Fault ignored;
    for (const Finding& finding : heap->check(ignored)) ASSERT_FALSE(finding.sentence.empty());
    expect_recovery(heap);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace glassheap
