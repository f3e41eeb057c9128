// Damage is contained. Each byte of each header and node is flipped in several ways; then the heap
// is used. Either the damage is reported at the next use of that block, or that use does not depend
// on it. check() always finds it. No payload, and nothing outside the region (whole pages here,
// with guard pages on both sides), is ever touched.

#include <gtest/gtest.h>

#include "damaged_heap.hpp"
#include "watchdog.hpp"

namespace glassheap {
namespace {

// One flipped byte in the header or node of a block.
struct Flip {
  BlockInfo block;
  Size byte;
  unsigned mask;

  [[nodiscard]] Offset start(HeapFixture& heap) const { return block.start - heap->base(); }
  [[nodiscard]] FaultKind kind() const {
    if (!block.live) return FaultKind::free_list_corrupted;
    return byte >= 8 && byte < 12 ? FaultKind::bad_magic : FaultKind::header_corrupted;
  }
  [[nodiscard]] std::string text() const {
    return "byte " + std::to_string(byte) + (block.live ? " of the header" : " of the node") +
           " at " + std::to_string(block.start) + " ^ " + std::to_string(mask);
  }
};

class Corruption : public EveryPolicy {
 protected:
  // Live blocks with free neighbours on both sides, one side or none, above and below the damage.
  static constexpr const char* layout =
      "[8][40][.48.][16][24][16][.32.][100][0][.0.][7][33][.64.][16][9][3]...";

  // A heap with that layout, always at the same addresses, for one flipped byte.
  struct Damaged {
    explicit Damaged(const Options& options)
        : heap(options), stamps((arrange(heap, layout), heap)) {}
    void flip_byte(const Flip& flip) {
      heap.region()[flip.start(heap) + flip.byte] ^= std::byte(flip.mask);
    }
    HeapFixture heap;
    PayloadStamps stamps;
  };

  static Options at_base_0() {
    Options options = Corruption::options(4096);
    options.base = 0;
    return options;
  }

  // Every possible flip; none in a live block without a header.
  static std::vector<Flip> flips() {
    std::vector<Flip> flips;
    for (const BlockInfo& block : Damaged(at_base_0()).heap.walk()) {
      if (block.live && front() == 0) continue;
      for (Size byte = 0; byte < 16; ++byte) {
        for (const unsigned mask : {0x01U, 0x10U, 0x80U, 0xFFU})
          flips.push_back({block, byte, mask});
      }
    }
    return flips;
  }

  // Calls test(damaged, flip) for every flip, or for every flip in a node, each with a new heap.
  template <typename Test>
  void for_each_flip(Test test) {
    const Watchdog watchdog(100);
    for (const Flip& flip : flips()) {
      SCOPED_TRACE(flip.text());
      Damaged damaged(at_base_0());
      damaged.flip_byte(flip);
      test(damaged, flip);
      if (HasFatalFailure()) return;
    }
    EXPECT_LE(seal_collisions_, 2) << "More collisions of a 16-bit seal than chance explains.";
  }

  template <typename Test>
  void for_each_flip_in_a_node(Test test) {
    for_each_flip([&](Damaged& damaged, const Flip& flip) {
      if (!flip.block.live) test(damaged, flip);
    });
  }

  // Returns true if the seal happens to fit the flipped header: once in 65,536 flips of a size or
  // serial.
  bool seal_collides(HeapFixture& heap, const Flip& flip) {
    if (!flip.block.live || !heap.contains(flip.block.address)) return false;
    ++seal_collisions_;
    return true;
  }

  // Returns true if one of these blocks, when freed, merges with the other; if the policy does not
  // coalesce, true if they are adjacent.
  static bool would_coalesce(HeapFixture& heap, const BlockInfo& a, const BlockInfo& b) {
    if (splits_anywhere(options()))
      return a.start + a.extent == b.start || b.start + b.extent == a.start;
    const Address origin = heap->base() + heap->size() - usable_region(heap->options());
    return a.extent == b.extent && ((a.start - origin) ^ a.extent) == b.start - origin;
  }

  static void expect_named(const Fault& fault, HeapFixture& heap, const Flip& flip) {
    EXPECT_EQ(fault.kind, flip.kind());
    EXPECT_EQ(fault.offset, flip.start(heap));
    EXPECT_NE(fault.expected, fault.found);
  }

 private:
  int seal_collisions_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Policies, Corruption, ::testing::ValuesIn(variants()), by_name);

TEST_P(Corruption, IsFoundByCheckAndFreezesTheHeapUntilReset) {
  for_each_flip([this](Damaged& damaged, const Flip& flip) {
    HeapFixture& heap = damaged.heap;
    expect_readable(heap);
    const Findings findings = heap.check();
    if (findings.empty() && seal_collides(heap, flip)) return;
    ASSERT_EQ(findings.size(), 1U);
    expect_named(findings[0].fault, heap, flip);
    EXPECT_FALSE(findings[0].sentence.empty());
    expect_readable(heap);
    expect_frozen(heap, flip.block.address);
    damaged.stamps.expect_intact();
    expect_recovery(heap);
  });
}

// The rule that check() reports is that of the flipped field.
TEST_P(Corruption, IsFoundAsTheRuleThatItBreaks) {
  for_each_flip([this](Damaged& damaged, const Flip& flip) {
    const Findings findings = damaged.heap.check();
    if (findings.empty() && seal_collides(damaged.heap, flip)) return;
    const Rule rule = findings.at(0).fault.rule;
    if (flip.block.live) {
      EXPECT_EQ(rule == Rule::magic, flip.byte >= 8 && flip.byte < 12);
      EXPECT_TRUE(rule != Rule::size || flip.byte < 8);
      EXPECT_TRUE(rule == Rule::seal || flip.byte < 12);
    } else {
      EXPECT_EQ(rule, flip.byte < 8 ? Rule::node_size : flip.byte < 12 ? Rule::next : Rule::prev);
    }
  });
}

class HeaderCorruption : public Corruption {};
INSTANTIATE_TEST_SUITE_P(Policies, HeaderCorruption, ::testing::ValuesIn(variants(has_headers)),
                         by_name);

TEST_P(HeaderCorruption, IsNamedByEveryCallOnThatBlock) {
  for_each_flip([this](Damaged& damaged, const Flip& flip) {
    HeapFixture& heap = damaged.heap;
    if (!flip.block.live || seal_collides(heap, flip)) return;
    const Address payload = flip.block.address;
    Heap::Pinned pinned;
    switch (flip.mask) {
      case 0x01:
        expect_named(heap.refused_free(payload), heap, flip);
        break;
      case 0x10:
        expect_named(heap.refused_realloc(payload, 5), heap, flip);
        break;
      case 0x80:
        expect_named(heap.refused([&](Fault& f) { heap->usable_size(payload, f); }), heap, flip);
        break;
      default:
        expect_named(heap.refused([&](Fault& f) { heap->pin(payload, pinned, f); }), heap, flip);
    }
    expect_frozen(heap, payload);
    expect_recovery(heap);
  });
}

// A free of the block beside a damaged node would merge with it, and is refused. A free of another
// block is refused too, unless it does not depend on the node.
TEST_P(Corruption, OfANodeIsNamedByAFreeThatMergesWithIt) {
  std::size_t merging = 0;
  for_each_flip_in_a_node([&merging](Damaged& first, const Flip& flip) {
    for (const BlockInfo& freed : first.heap.walk()) {
      if (!freed.live) continue;
      Damaged damaged(at_base_0());
      HeapFixture& heap = damaged.heap;
      damaged.flip_byte(flip);
      Fault fault;
      const bool merges = would_coalesce(heap, freed, flip.block);
      merging += merges ? 1 : 0;
      const Snapshot before(*heap);
      if (heap->free(freed.address, fault)) {
        EXPECT_FALSE(merges) << "freed " << freed.start;
        EXPECT_FALSE(heap.check().empty()) << "check() misses the damage";
        damaged.stamps.forget(freed.address);
        damaged.stamps.expect_intact();
      } else {
        expect_named(fault, heap, flip);
        EXPECT_EQ(Snapshot(*heap), before);
      }
    }
  });
  EXPECT_GT(merging, 0U);
}

TEST_P(Corruption, OfANodeIsNamedByAReallocThatGrowsIntoIt) {
  std::size_t growing = 0;
  for_each_flip_in_a_node([&growing](Damaged& damaged, const Flip& flip) {
    for (const BlockInfo& block : damaged.heap.walk()) {
      if (!block.live || block.start + block.extent != flip.block.start) continue;
      if (!would_coalesce(damaged.heap, block, flip.block)) continue;
      const Size whole = block.extent + flip.block.extent - front();
      expect_named(damaged.heap.refused_realloc(block.address, whole), damaged.heap, flip);
      damaged.stamps.expect_intact();
      ++growing;
    }
  });
  EXPECT_GT(growing, 0U);
}

// A realloc that moves takes one free block whole, and then frees its old block. In the free list
// the old block gets a neighbour that it would not have had before the move: that node is vetted
// before anything changes. Its forged size is plausible; only the block map shows that it is wrong.
TEST_P(Corruption, OfANodeThatAMoveLeadsToIsNamedBeforeTheMove) {
  if (options().policy != "first_fit" && options().policy != "best_fit") return;
  HeapFixture heap(options());
  arrange(heap, "[.16.][8][.64.][8][8][24][8]...");
  const Size found = 16 + extent(8);
  std::memcpy(heap.region(), &found, sizeof found);
  EXPECT_EQ(heap.refused_realloc(payload_of_block(heap, 5), 64).kind,
            FaultKind::free_list_corrupted);
}

// Buddies: the realloc takes a free block that the old one is not adjacent to, but would have
// merged with at the second order. So merging stops one order earlier, in the bin whose first block
// is now the damaged one.
TEST_P(Corruption, OfANodeThatAMoveOfABuddyLeadsToIsNamedBeforeTheMove) {
  if (splits_anywhere(options())) return;
  HeapFixture heap(options());
  std::vector<Address> payloads;
  for (const Size extent : {64U, 32U, 32U, 64U, 64U, 64U, 64U})
    payloads.push_back(heap.malloc(extent - front()));
  for (const std::size_t freed : {4U, 0U, 1U}) heap.free(payloads[freed]);
  const Offset damaged = payloads[4] - front() - heap->base();
  const Size found = 128 - front();
  std::memcpy(heap.region() + damaged, &found, sizeof found);
  const Fault fault = heap.refused_realloc(payloads[2], 64 - front());
  EXPECT_EQ(fault.kind, FaultKind::free_list_corrupted);
  EXPECT_EQ(fault.offset, damaged);
}

// To allocate all free memory is to allocate the damaged block too.
TEST_P(Corruption, OfANodeIsNamedBeforeItsBlockIsHandedOut) {
  for_each_flip_in_a_node([](Damaged& damaged, const Flip& flip) {
    HeapFixture& heap = damaged.heap;
    Fault fault;
    std::size_t served = 0;
    while (heap->malloc(0, 16, fault) != 0) ASSERT_LT(++served, 4096U / 16);
    expect_named(fault, heap, flip);
    damaged.stamps.expect_intact();
    expect_frozen(heap, 0);
    expect_recovery(heap);
  });
}

TEST_P(Corruption, OfANodeIsMetByABatchBeforeItTakesAnything) {
  for_each_flip_in_a_node([](Damaged& damaged, const Flip& flip) {
    const std::vector<Size> sizes(300, 0);
    std::vector<Address> addresses(sizes.size());
    HeapFixture& heap = damaged.heap;
    const auto call = [&](Fault& f) { EXPECT_FALSE(heap->malloc_many(sizes, addresses, f)); };
    expect_named(heap.refused(call), heap, flip);
    damaged.stamps.expect_intact();
  });
}

// The whole batch, which includes the node's neighbours, is vetted before any block is freed.
TEST_P(Corruption, OfANodeIsMetByABatchBeforeItFreesAnything) {
  for_each_flip_in_a_node([](Damaged& damaged, const Flip& flip) {
    HeapFixture& heap = damaged.heap;
    std::vector<Address> addresses;
    for (const BlockInfo& block : heap.walk()) {
      if (block.live) addresses.push_back(block.address);
    }
    const auto call = [&](Fault& f) { EXPECT_FALSE(heap->free_many(addresses, f)); };
    expect_named(heap.refused(call), heap, flip);
    damaged.stamps.expect_intact();
  });
}

}  // namespace
}  // namespace glassheap
