// Damage is contained. Each byte of each header and node is flipped in several ways; then the heap
// is used. Either the damage is reported at the next use of that block, or that use does not depend
// on it. check() always finds it. No payload, and nothing outside the region (whole pages here,
// with guard pages on both sides), is ever touched.

#include <gtest/gtest.h>

#include "damaged_heap.hpp"
#include "drawing.hpp"
#include "every_policy.hpp"
#include "limits.hpp"

namespace glassheap {
namespace {

// One flipped byte in the header or node of a block.
struct Flip {
  BlockInfo block;
  Size byte;
  unsigned mask;

  [[nodiscard]] FaultKind kind() const {
    if (!block.live) return FaultKind::free_list_corrupted;
    return byte >= 8 && byte < 12 ? FaultKind::bad_magic : FaultKind::header_corrupted;
  }
  // A change of a header's size may be found as a wrong size, or as a wrong seal.
  [[nodiscard]] bool breaks(Rule rule) const {
    if (!block.live)
      return rule == (byte < 8 ? Rule::node_size : byte < 12 ? Rule::next : Rule::record);
    if (byte >= 8 && byte < 12) return rule == Rule::magic;
    return rule == Rule::seal || (rule == Rule::size && byte < 8);
  }
};

void PrintTo(const Flip& flip, std::ostream* out) {
  *out << "byte " << flip.byte << (flip.block.live ? " of the header" : " of the node") << " at "
       << flip.block.start << " ^ " << flip.mask;
}

void expect_named(const Fault& fault, const Flip& flip) {
  EXPECT_EQ(fault.kind, flip.kind());
  EXPECT_EQ(fault.offset, flip.block.start);
  EXPECT_NE(fault.expected, fault.found);
  EXPECT_TRUE(flip.breaks(fault.rule)) << ::testing::PrintToString(fault.rule);
}

class Corruption : public EveryPolicy {
 protected:
  // A heap for one flipped byte, always at the same addresses: live blocks with free neighbours on
  // both sides, one side or none, above and below the damage.
  struct Damaged : CheckedHeap {
    Damaged() : CheckedHeap(based(options(2048), 0)) {
      arrange(*this, "[8][40][.48.][16][24][16][.32.][100][0][.0.][7][33][.64.][16][9][3]...");
    }
    explicit Damaged(const Flip& flip) : Damaged() {
      flip_byte(*this, flip.block.start + flip.byte, flip.mask);
    }
  };

  // Calls test(heap, flip) for every possible flip, each with a new heap; or for every flip in a
  // node. There is none in a live block without a header. A slow build flips every third byte.
  template <typename Test>
  static void for_each_flip(Test test, bool in_nodes_only = false) {
    const Watchdog watchdog(100);
    for (const BlockInfo& block : Damaged().view().blocks) {
      if (block.live && (in_nodes_only || front() == 0)) continue;
      for (Size byte = 0; byte < 16; byte += static_cast<Size>(scaled(1, 5))) {
        for (const unsigned mask : {0x01U, 0x10U, 0x80U, 0xFFU}) {
          const Flip flip{block, byte, mask};
          SCOPED_TRACE(::testing::PrintToString(flip));
          Damaged heap(flip);
          test(heap, flip);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
  template <typename Test>
  static void for_each_flip_in_a_node(Test test) {
    for_each_flip(test, true);
  }
};
GLASSHEAP_FOR_EVERY(Corruption);

// Once in 65,536 flips of a size or serial the seal happens to fit.
TEST_P(Corruption, IsFoundByCheckAndFreezesTheHeapUntilReset) {
  int missed = 0;
  for_each_flip([&missed](Damaged& heap, const Flip& flip) {
    const Findings findings = heap.inspect();
    if (findings.empty() && flip.block.live && ++missed <= 2) return;
    ASSERT_EQ(findings.size(), 1U);
    expect_named(findings[0].fault, flip);
    use_damaged(heap, flip.block.address);
    heap.inspect();
    heap.reset();
    heap.inspect();
    heap.free(heap.malloc(heap.model().stats().largest_free));
  });
}

class HeaderCorruption : public Corruption {};
GLASSHEAP_FOR_EVERY(HeaderCorruption, has_headers);

TEST_P(HeaderCorruption, IsNamedByEveryCallOnThatBlock) {
  int missed = 0;
  for_each_flip([&missed](Damaged& heap, const Flip& flip) {
    if (!flip.block.live) return;
    const Address payload = flip.block.address;
    if (flip.mask == 0x01) heap.free(payload);
    if (flip.mask == 0x10) heap.realloc(payload, 5);
    if (flip.mask == 0x80) heap.query(payload);
    if (flip.mask == 0xFF) heap.pin(payload);
    if (!heap.fault() && ++missed <= 2) return;
    expect_named(heap.fault(), flip);
    heap.malloc(1);
    EXPECT_EQ(heap.fault().kind, FaultKind::heap_damaged);
  });
}

// A free of the block beside a damaged node would merge with it, and is refused, as is a realloc
// that grows into it. A free of another block is refused too, unless it does not depend on the
// node. Where coalescing is deferred, no free of so small a block depends on it.
TEST_P(Corruption, OfANodeIsNamedByACallThatMergesWithIt) {
  std::size_t merging = 0;
  for_each_flip_in_a_node([&merging](Damaged& first, const Flip& flip) {
    for (const BlockInfo& block : first.view().blocks) {
      if (!block.live) continue;
      const bool merges = would_coalesce(first, block, flip.block);
      const bool grows = merges && block.start < flip.block.start && flip.mask == 0x10;
      merging += merges ? 1 : 0;
      Damaged heap(flip);
      if (grows) {
        heap.realloc(block.address, block.extent + flip.block.extent - front());
      } else if (flip.mask == 0x10 || flip.mask == 0xFF) {
        continue;
      } else {
        heap.free(block.address);
      }
      const bool depends = grows || !defers_coalescing(first.model().options());
      EXPECT_TRUE(heap.fault() || !merges || !depends) << "at " << block.start;
      if (heap.fault()) expect_named(heap.fault(), flip);
      heap.inspect();
    }
  });
  EXPECT_GT(merging, 0U);
}

// Two buddies freed together merge with a node that neither would merge with alone; damage in that
// node is found before either is freed.
TEST_P(Corruption, OfANodeThatABatchOfBuddiesMergesWithIsNamedBeforeTheBatch) {
  if (splits_anywhere(options())) return;
  CheckedHeap heap(options(1024));
  const Address left = heap.malloc(256 - front());
  const Address right = heap.malloc(256 - front());
  flip_byte(heap, heap->base() + 512 + 8);
  heap.free_many({left, right});
  EXPECT_EQ(heap.fault().kind, FaultKind::free_list_corrupted);
  EXPECT_EQ(heap.fault().offset, 512U);
}

// To allocate all free memory, one block at a time or as a batch, is to allocate the damaged block
// too. To free every block, as a batch, is to merge with it; or to allocate most of the region next.
// Only a damaged link is not noticed if the next block has come to where it leads before.
TEST_P(Corruption, OfANodeIsNamedBeforeItIsUsed) {
  for_each_flip_in_a_node([](Damaged& heap, const Flip& flip) {
    std::vector<Address> live;
    for (const auto& [payload, block] : heap.model().live()) live.push_back(payload);
    if (flip.mask == 0x01) {
      heap.malloc_many(std::vector<Size>(300, 0));
    } else if (flip.mask == 0x10) {
      heap.free_many(live);
      if (!heap.fault()) heap.malloc(1900);
    } else {
      while (heap.malloc(0) != 0) continue;
    }
    const bool came_true = flip.breaks(Rule::next) && flip.mask != 0x10 &&
                           heap.fault().kind == FaultKind::out_of_memory;
    if (!came_true) expect_named(heap.fault(), flip);
    heap.inspect();
  });
}

}  // namespace
}  // namespace glassheap
