// Damage is contained. Every byte of every header and node is flipped, in turn, in several ways;
// then the heap is used. Either the damage is named at the next use of that block, or that use does
// not depend on it; check() always finds it; and no payload, and nothing outside of the region
// (which is whole pages here, with guards on both sides), is ever touched.

#include <gtest/gtest.h>

#include "damage.hpp"
#include "watchdog.hpp"

namespace glassheap {
namespace {

// One flipped byte at the front of a block.
struct Flip {
  BlockInfo block;
  Size byte;
  unsigned mask;

  [[nodiscard]] Offset start(Rig& rig) const { return block.start - rig->base(); }
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
  // Live blocks with free neighbours on each side and on none, above and below the damage.
  static constexpr const char* heap =
      "[8][40][.48.][16][24][16][.32.][100][0][.0.][7][33][.64.][16][9][3]...";

  // A heap in that state, always at the same addresses, with one byte flipped.
  struct Damaged {
    explicit Damaged(const Options& options) : rig(options), stamps((draw(rig, heap), rig)) {}
    void apply(const Flip& flip) {
      rig.region()[flip.start(rig) + flip.byte] ^= std::byte(flip.mask);
    }
    Rig rig;
    Stamps stamps;
  };

  static Options at_base_0() {
    Options options = Corruption::options(4096);
    options.base = 0;
    return options;
  }

  // Every flip there is: a live block without a header has no front.
  static std::vector<Flip> flips() {
    std::vector<Flip> flips;
    for (const BlockInfo& block : Damaged(at_base_0()).rig.walk()) {
      if (block.live && front() == 0) continue;
      for (Size byte = 0; byte < 16; ++byte) {
        for (const unsigned mask : {0x01U, 0x10U, 0x80U, 0xFFU})
          flips.push_back({block, byte, mask});
      }
    }
    return flips;
  }

  // test(damaged, flip), for every flip there is, each in a heap of its own; and the same for those
  // in nodes.
  template <typename Test>
  void for_each_flip(Test test) {
    const Watchdog watchdog(100);
    for (const Flip& flip : flips()) {
      SCOPED_TRACE(flip.text());
      Damaged damaged(at_base_0());
      damaged.apply(flip);
      test(damaged, flip);
      if (HasFatalFailure()) return;
    }
    EXPECT_LE(lucky_, 2) << "A seal has 16 bits; so many flips cannot have missed it by chance.";
  }

  template <typename Test>
  void for_each_flip_in_a_node(Test test) {
    for_each_flip([&](Damaged& damaged, const Flip& flip) {
      if (!flip.block.live) test(damaged, flip);
    });
  }

  // A header whose seal happens to fit after the flip: once in 65,536 flips of size or serial.
  bool lucky(Rig& rig, const Flip& flip) {
    if (!flip.block.live || !rig.contains(flip.block.address)) return false;
    ++lucky_;
    return true;
  }

  // Whether one of these blocks, freed beside the other, becomes one with it; where blocks are not
  // joined, whether they touch.
  static bool are_joined(Rig& rig, const BlockInfo& a, const BlockInfo& b) {
    if (cuts_anywhere(options()))
      return a.start + a.extent == b.start || b.start + b.extent == a.start;
    const Address origin = rig->base() + rig->size() - usable_region(rig->options());
    return a.extent == b.extent && ((a.start - origin) ^ a.extent) == b.start - origin;
  }

  static void expect_named(const Fault& fault, Rig& rig, const Flip& flip) {
    EXPECT_EQ(fault.kind, flip.kind());
    EXPECT_EQ(fault.offset, flip.start(rig));
    EXPECT_NE(fault.expected, fault.found);
  }

 private:
  int lucky_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Policies, Corruption, ::testing::ValuesIn(variants()), by_name);

TEST_P(Corruption, IsFoundByCheckAndFreezesTheHeapUntilReset) {
  for_each_flip([this](Damaged& damaged, const Flip& flip) {
    Rig& rig = damaged.rig;
    expect_sight(rig);
    const Findings findings = rig.check();
    if (findings.empty() && lucky(rig, flip)) return;
    ASSERT_EQ(findings.size(), 1U);
    expect_named(findings[0], rig, flip);
    EXPECT_FALSE(sentence(findings[0]).empty());
    expect_sight(rig);
    expect_frozen(rig, flip.block.address);
    damaged.stamps.expect_whole();
    expect_recovery(rig);
  });
}

// Which field of a front a flip is in, as check() names it.
TEST_P(Corruption, IsFoundAsTheRuleThatItBreaks) {
  for_each_flip([this](Damaged& damaged, const Flip& flip) {
    const Findings findings = damaged.rig.check();
    if (findings.empty() && lucky(damaged.rig, flip)) return;
    const Rule rule = findings.at(0).rule;
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
    Rig& rig = damaged.rig;
    if (!flip.block.live || lucky(rig, flip)) return;
    const Address payload = flip.block.address;
    Heap::Pinned pinned;
    switch (flip.mask) {
      case 0x01:
        expect_named(rig.refused_free(payload), rig, flip);
        break;
      case 0x10:
        expect_named(rig.refused_realloc(payload, 5), rig, flip);
        break;
      case 0x80:
        expect_named(rig.refused([&](Fault& f) { rig->usable_size(payload, f); }), rig, flip);
        break;
      default:
        expect_named(rig.refused([&](Fault& f) { rig->pin(payload, pinned, f); }), rig, flip);
    }
    expect_frozen(rig, payload);
    expect_recovery(rig);
  });
}

// Whoever frees a block beside a damaged node merges with it, and is refused. Whoever frees another
// one is refused too, or else did not depend on it.
TEST_P(Corruption, OfANodeIsNamedByAFreeThatMergesWithIt) {
  std::size_t merging = 0;
  for_each_flip_in_a_node([&merging](Damaged& first, const Flip& flip) {
    for (const BlockInfo& freed : first.rig.walk()) {
      if (!freed.live) continue;
      Damaged damaged(at_base_0());
      Rig& rig = damaged.rig;
      damaged.apply(flip);
      Fault fault;
      const bool merges = are_joined(rig, freed, flip.block);
      merging += merges ? 1 : 0;
      const Snapshot before(*rig);
      if (rig->free(freed.address, fault)) {
        EXPECT_FALSE(merges) << "freed " << freed.start;
        EXPECT_FALSE(rig.check().empty()) << "the damage is out of sight now";
        damaged.stamps.forget(freed.address);
        damaged.stamps.expect_whole();
      } else {
        expect_named(fault, rig, flip);
        EXPECT_EQ(Snapshot(*rig), before);
      }
    }
  });
  EXPECT_GT(merging, 0U);
}

TEST_P(Corruption, OfANodeIsNamedByAReallocThatGrowsIntoIt) {
  std::size_t growing = 0;
  for_each_flip_in_a_node([&growing](Damaged& damaged, const Flip& flip) {
    for (const BlockInfo& block : damaged.rig.walk()) {
      if (!block.live || block.start + block.extent != flip.block.start) continue;
      if (!are_joined(damaged.rig, block, flip.block)) continue;
      const Size whole = block.extent + flip.block.extent - front();
      expect_named(damaged.rig.refused_realloc(block.address, whole), damaged.rig, flip);
      damaged.stamps.expect_whole();
      ++growing;
    }
  });
  EXPECT_GT(growing, 0U);
}

// A realloc that moves takes one free block whole, and then frees a block that comes to stand
// beside a node it did not stand beside before: that one is vetted first. The size that it has been
// given is another block's, so nothing but a look at the map tells.
TEST_P(Corruption, OfANodeThatAMoveLeadsToIsNamedBeforeTheMove) {
  if (options().policy != "first_fit" && options().policy != "best_fit") return;
  Rig rig(options());
  draw(rig, "[.16.][8][.64.][8][8][24][8]...");
  const Size found = 16 + extent(8);
  std::memcpy(rig.region(), &found, sizeof found);
  EXPECT_EQ(rig.refused_realloc(payload_of_block(rig, 5), 64).kind, FaultKind::free_list_corrupted);
}

// Buddies: the cut takes a block that the old one would have been joined with, two steps up, and
// that does not touch it. So it stops in the bin where the damaged one is now at the front.
TEST_P(Corruption, OfANodeThatAMoveOfABuddyLeadsToIsNamedBeforeTheMove) {
  if (cuts_anywhere(options())) return;
  Rig rig(options());
  std::vector<Address> payloads;
  for (const Size extent : {64U, 32U, 32U, 64U, 64U, 64U, 64U})
    payloads.push_back(rig.malloc(extent - front()));
  for (const std::size_t freed : {4U, 0U, 1U}) rig.free(payloads[freed]);
  const Offset damaged = payloads[4] - front() - rig->base();
  const Size found = 128 - front();
  std::memcpy(rig.region() + damaged, &found, sizeof found);
  const Fault fault = rig.refused_realloc(payloads[2], 64 - front());
  EXPECT_EQ(fault.kind, FaultKind::free_list_corrupted);
  EXPECT_EQ(fault.offset, damaged);
}

// To take all the memory there is, one must take the damaged block too.
TEST_P(Corruption, OfANodeIsNamedBeforeItsBlockIsHandedOut) {
  for_each_flip_in_a_node([](Damaged& damaged, const Flip& flip) {
    Rig& rig = damaged.rig;
    Fault fault;
    std::size_t served = 0;
    while (rig->malloc(0, 16, fault) != 0) ASSERT_LT(++served, 4096U / 16);
    expect_named(fault, rig, flip);
    damaged.stamps.expect_whole();
    expect_frozen(rig, 0);
    expect_recovery(rig);
  });
}

TEST_P(Corruption, OfANodeIsMetByABatchBeforeItTakesAnything) {
  for_each_flip_in_a_node([](Damaged& damaged, const Flip& flip) {
    const std::vector<Size> sizes(300, 0);
    std::vector<Address> addresses(sizes.size());
    Rig& rig = damaged.rig;
    const auto call = [&](Fault& f) { EXPECT_FALSE(rig->malloc_many(sizes, addresses, f)); };
    expect_named(rig.refused(call), rig, flip);
    damaged.stamps.expect_whole();
  });
}

// The whole batch is vetted before any of it is freed: the neighbours of the node are among them.
TEST_P(Corruption, OfANodeIsMetByABatchBeforeItFreesAnything) {
  for_each_flip_in_a_node([](Damaged& damaged, const Flip& flip) {
    Rig& rig = damaged.rig;
    std::vector<Address> addresses;
    for (const BlockInfo& block : rig.walk()) {
      if (block.live) addresses.push_back(block.address);
    }
    const auto call = [&](Fault& f) { EXPECT_FALSE(rig->free_many(addresses, f)); };
    expect_named(rig.refused(call), rig, flip);
    damaged.stamps.expect_whole();
  });
}

// --- Headers forged as a user could forge them. ------------------------------------------------

class Forgery : public EveryPolicy {
 protected:
  Rig rig_{options(1024)};
};
INSTANTIATE_TEST_SUITE_P(Policies, Forgery, ::testing::ValuesIn(variants(has_headers)), by_name);

// A header made up inside a payload, magic number and all, makes no block.
TEST_P(Forgery, OfAHeaderInUserDataIsAnInteriorPointer) {
  const Address payload = rig_.malloc(200);
  std::memcpy(rig_.at(payload + 32), rig_.at(payload - 16), 16);
  const Fault fault = rig_.refused_free(payload + 48);
  EXPECT_EQ(fault.kind, FaultKind::interior_pointer);
  EXPECT_EQ(fault.owner, payload);
  EXPECT_TRUE(rig_.check().empty());
}

// A sound header, moved in front of another block of the same size: the seal knows its place.
TEST_P(Forgery, OfAHeaderCopiedFromAnotherBlockIsSeen) {
  const Address a = rig_.malloc(64);
  const Address b = rig_.malloc(64);
  int seen = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    rig_.reset();
    rig_.malloc(64);
    rig_.malloc(64);
    std::memcpy(rig_.at(b - 16), rig_.at(a - 16), 16);
    Fault fault;
    if (!rig_->free(b, fault)) seen += fault.kind == FaultKind::header_corrupted ? 1 : 0;
  }
  EXPECT_GE(seen, 19) << "A copied header may fit once in 65,536 times.";
}

// The same, where a heap without blocks is as new.
class Replay : public Forgery {};
INSTANTIATE_TEST_SUITE_P(Policies, Replay, ::testing::ValuesIn(variants(has_headers, joins_back)),
                         by_name);

// The header of the block that was here before, put back: its serial is old, so its seal is whole;
// but the block's extent has changed.
TEST_P(Replay, OfAnOldHeaderIsSeenWhenTheExtentHasChanged) {
  const Address old = rig_.malloc(64);
  std::byte header[16];
  std::memcpy(header, rig_.at(old - 16), sizeof header);
  rig_.free(old);
  ASSERT_EQ(rig_.malloc(200), old);
  std::memcpy(rig_.at(old - 16), header, sizeof header);
  EXPECT_EQ(rig_.refused_free(old).kind, FaultKind::header_corrupted);
}

// What an overflow by the left neighbour, or an underflow, really looks like.
TEST_P(Forgery, AnOverflowIntoTheNextHeaderIsSeenAtItsFree) {
  for (Size over = 1; over <= 16; ++over) {
    rig_.reset();
    const Address left = rig_.malloc(32);
    const Address right = rig_.malloc(32);
    ASSERT_EQ(rig_.info(left).start + extent(32), rig_.info(right).start);
    std::memset(rig_.at(left), 'A', extent(32) - 16 + over);
    const Fault fault = rig_.refused_free(right);
    EXPECT_TRUE(is_corruption(fault.kind)) << over;
    EXPECT_EQ(fault.offset, right - 16 - rig_->base());
  }
}

}  // namespace
}  // namespace glassheap
