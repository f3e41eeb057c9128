// Hostile bytes. One flipped byte is what happens; here it is assumed that somebody chose the
// bytes: every pair of links in every node of a small heap, and random overwrites of any length.
// Nobody needs to notice each of these at once, but nothing may loop for ever, touch a payload, or
// leave the region; check() finds them; and reset() brings the heap back.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <random>

#include "block/block.hpp"
#include "damage.hpp"
#include "effort.hpp"
#include "watchdog.hpp"

// A list that runs in a circle, copied entry by entry, would fill the machine's memory before the
// watchdog barks. Nothing in this program needs much, so here much is refused. (Never inlined: the
// compiler would warn of new memory that is freed.)
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

// Does everything once: a request that nothing can serve, a look, these frees, and then all the
// memory is taken, granule by granule, until that is refused.
void use(Rig& rig, const std::vector<Address>& frees) {
  Stamps stamps(rig);
  Fault fault;
  rig->malloc(rig->size(), 16, fault);
  expect_sight(rig);
  for (const Address payload : frees) {
    Fault refused;
    if (rig->free(payload, refused)) stamps.forget(payload);
    expect_sight(rig);
    stamps.expect_whole();
  }
  for (fault = {}; !fault;) rig->malloc(0, 16, fault);
  stamps.expect_whole();
  expect_recovery(rig);
}

std::vector<Address> live_payloads(Rig& rig) {
  std::vector<Address> live;
  for (const BlockInfo& block : rig.walk()) {
    if (block.live) live.push_back(block.address);
  }
  return live;
}

class Links : public EveryPolicy {
 protected:
  static void write_links(Rig& rig, Offset node, std::uint32_t next, std::uint32_t prev) {
    std::memcpy(rig.region() + node + offsetof(node_t, next), &next, sizeof next);
    std::memcpy(rig.region() + node + offsetof(node_t, prev), &prev, sizeof prev);
  }

  static node_t read_node(Rig& rig, Offset at) {
    node_t node;
    std::memcpy(&node, rig.region() + at, sizeof node);
    return node;
  }

  // Every granule of the region, the first outside of it, and none.
  static std::vector<std::uint32_t> targets(Rig& rig) {
    std::vector<std::uint32_t> links = {GLASSHEAP_NIL, GLASSHEAP_NIL - 1};
    for (std::uint32_t i = 0; i <= rig->size() / 16; ++i) links.push_back(i);
    return links;
  }

  // test(rig, node), for every free block of the heap as drawn and every pair of links in its node
  // but the true one.
  template <typename Test>
  static void for_each_pair_of_links(Rig& rig, std::string_view drawn, Test test) {
    draw(rig, drawn);
    std::vector<BlockInfo> nodes = rig.walk();
    std::erase_if(nodes, [](const BlockInfo& block) { return block.live; });
    for (const BlockInfo& block : nodes) {
      for (const std::uint32_t next : targets(rig)) {
        for (const std::uint32_t prev : targets(rig)) {
          SCOPED_TRACE(::testing::Message() << block.start << ": " << next << ", " << prev);
          rig.reset();
          draw(rig, drawn);
          const node_t honest = read_node(rig, block.start - rig->base());
          if (honest.next == next && honest.prev == prev) continue;
          write_links(rig, block.start - rig->base(), next, prev);
          test(rig, block);
          if (HasFatalFailure()) return;
        }
      }
    }
  }

  // Each beside the next, and the two in each pair become one when both are free, in any policy
  // that joins blocks.
  static std::vector<Address> four_empty_and_a_large_one(Rig& rig) {
    std::vector<Address> payloads;
    for (const Size size : {0U, 0U, 0U, 0U, 100U}) payloads.push_back(rig.malloc(size));
    return payloads;
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Links, ::testing::ValuesIn(variants()), by_name);

// The simplest overwrite there is: zeros. In the one node of a fresh heap, at offset 0, zeros are
// links to itself.
TEST_P(Links, OfZeroInAFreshHeapDoNotLoop) {
  const Watchdog watchdog(10);
  Rig rig(options(4096));
  write_links(rig, 0, 0, 0);
  const Fault fault = rig.refused_malloc(50);
  EXPECT_EQ(fault.kind, FaultKind::free_list_corrupted);
  expect_sight(rig);
  EXPECT_FALSE(rig.check().empty());
  expect_recovery(rig);
}

// A circle through all the nodes that is whole in both directions: only its ends give it away.
TEST_P(Links, ThatCloseTheListToACircleDoNotLoop) {
  const Watchdog watchdog(10);
  Rig rig(options(1024));
  draw(rig, "[.16.][0][.16.][0][.16.][0]...");
  const auto list = rig.free_list();
  const auto granule = [&](std::size_t i) {
    return static_cast<std::uint32_t>((list[i % list.size()].address - rig->base()) / 16);
  };
  for (std::size_t i = 0; i < list.size(); ++i)
    write_links(rig, granule(i) * 16U, granule(i + 1), granule(i + list.size() - 1));
  EXPECT_EQ(rig.refused_malloc(16).kind, FaultKind::free_list_corrupted);
  expect_sight(rig);
  expect_recovery(rig);
}

// All pairs of links in one node, then a use of everything.
TEST_P(Links, OfEveryKindInOneNodeAreContained) {
  const Watchdog watchdog(60);
  Rig rig(options(192));
  for_each_pair_of_links(rig, "[.0.][10][.0.][16][.0.][16]",
                         [](Rig& heap, const BlockInfo&) { use(heap, {}); });
}

// With one node forged and the others honest, no pair of links but the true one passes: whoever
// frees the block behind the node is refused, though that touches no other node.
TEST_P(Links, OfEveryKindInOneNodeAreNamedByAFreeThatMerges) {
  Rig rig(options(224));
  std::size_t named = 0;
  const auto test = [&named](Rig& heap, const BlockInfo& node) {
    const auto beside = partner(heap, node);
    if (!beside) return;
    const Fault fault = heap.refused_free(beside->address);
    EXPECT_EQ(fault.kind, FaultKind::free_list_corrupted);
    ASSERT_EQ(fault.offset, node.start - heap->base());
    ++named;
  };
  for_each_pair_of_links(rig, "[.0.][10][8][.0.][16][8][.0.][16]", test);
  EXPECT_GT(named, 0U);
}

// A node made up inside a payload, that links back as it should, is no node: the map knows.
TEST_P(Links, ForwardToANodeForgedInUserDataAreSeen) {
  Rig rig(options(1024));
  const std::vector<Address> payloads = four_empty_and_a_large_one(rig);
  rig.free(payloads[1]);
  const Offset node = payloads[1] - front() - rig->base();
  const Offset forged = payloads[4] - rig->base() + 32;
  write_links(rig, forged, read_node(rig, node).next, link_to(node));
  write_links(rig, node, link_to(forged), read_node(rig, node).prev);
  EXPECT_EQ(rig.refused_free(payloads[0]).kind, FaultKind::free_list_corrupted);
}

TEST_P(Links, BackToANodeForgedInUserDataAreSeen) {
  Rig rig(options(1024));
  const std::vector<Address> payloads = four_empty_and_a_large_one(rig);
  rig.free(payloads[0]);
  rig.free(payloads[3]);
  const Offset node = payloads[3] - front() - rig->base();
  const Offset forged = payloads[4] - rig->base() + 32;
  write_links(rig, forged, link_to(node), read_node(rig, node).prev);
  write_links(rig, node, read_node(rig, node).next, link_to(forged));
  EXPECT_EQ(rig.refused_free(payloads[2]).kind, FaultKind::free_list_corrupted);
}

// All pairs of links in two nodes at once, then a use of everything.
TEST_P(Links, OfEveryKindInTwoNodesAreContained) {
  const Watchdog watchdog(100);
  Rig rig(options(144));
  const std::vector<std::uint32_t> links = targets(rig);
  const std::size_t n = links.size();
  for (std::size_t i = 0; i < n * n * n * n; i += static_cast<std::size_t>(effort(5, 67))) {
    rig.reset();
    draw(rig, "[.16.][0][.0.][16]...");
    const auto list = rig.free_list();
    std::vector<Address> live = live_payloads(rig);
    if (i % 2 == 1) std::ranges::reverse(live);
    write_links(rig, list[0].address - rig->base(), links[i % n], links[i / n % n]);
    write_links(rig, list[1].address - rig->base(), links[i / n / n % n], links[i / n / n / n]);
    use(rig, live);
    ASSERT_FALSE(HasFailure()) << i;
  }
}

// A batch that meets them half-way has taken blocks already, and must give them back, over nodes
// that it cannot trust.
TEST_P(Links, OfEveryKindLeaveNoTraceOfARefusedBatch) {
  const Watchdog watchdog(100);
  Rig rig(options(144));
  const std::vector<std::uint32_t> links = targets(rig);
  const std::vector<Size> sizes = {0, 0, 16, 0, 5000};
  std::vector<Address> addresses(sizes.size());
  const std::size_t n = links.size();
  for (std::size_t i = 0; i < n * n * n * n; i += static_cast<std::size_t>(effort(11, 151))) {
    rig.reset();
    draw(rig, "[.16.][0][.0.][16]...");
    const auto list = rig.free_list();
    const std::size_t last = list.size() - 1;
    write_links(rig, list[last - 1].address - rig->base(), links[i % n], links[i / n % n]);
    write_links(rig, list[last].address - rig->base(), links[i / n / n % n], links[i / n / n / n]);
    rig.refused([&](Fault& f) { EXPECT_FALSE(rig->malloc_many(sizes, addresses, f)); });
    expect_sight(rig);
    expect_recovery(rig);
    ASSERT_FALSE(HasFailure()) << i;
  }
}

// Overwrites of any place and length, with noise, with zeros, with ones, with a copy of other
// bytes; then a random program that does not know of them.
class Overwrites : public EveryPolicy {
 protected:
  static void overwrite(Rig& rig, std::mt19937& random) {
    const Size at = random() % rig->size();
    const Size length = 1 + random() % std::min<Size>(rig->size() - at, 64);
    const unsigned how = random() % 4;
    for (Size i = 0; i < length; ++i) {
      const unsigned bytes[] = {
          static_cast<unsigned>(random()), 0, 0xFF,
          std::to_integer<unsigned>(rig.region()[(i + random()) % rig->size()])};
      rig.region()[at + i] = static_cast<std::byte>(bytes[how]);
    }
  }
  static void play(Rig& rig, std::mt19937& random) {
    const std::vector<Address> live = live_payloads(rig);
    for (int step = 0; step < 40; ++step) {
      Fault fault;
      const Address any = live[random() % live.size()];
      switch (random() % 4) {
        case 0:
          rig->malloc(random() % 100, Size{16} << random() % 3, fault);
          break;
        case 1:
          rig->realloc(any, random() % 300, 16, fault);
          break;
        default:
          rig->free(any, fault);
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Overwrites, ::testing::ValuesIn(variants()), by_name);

TEST_P(Overwrites, OfAnyKindAreContained) {
  const Watchdog watchdog(100);
  for (unsigned seed = 0; seed < static_cast<unsigned>(effort(4000, 500)); ++seed) {
    std::mt19937 random(seed);
    Rig rig(options(4096));
    draw(rig, "[40][.48.][16][16][.32.][100][0][.0.][7][33][.64.][16]...");
    for (unsigned i = 0; i < 1 + seed % 3; ++i) overwrite(rig, random);
    Fault fault;
    rig->malloc(5000, 16, fault);
    play(rig, random);
    expect_sight(rig);
    Fault ignored;
    for (const Fault& finding : rig->check(ignored)) ASSERT_FALSE(sentence(finding).empty());
    expect_recovery(rig);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace glassheap
