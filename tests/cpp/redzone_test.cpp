// checks="debug": no byte behind a payload, and none of free memory, is written without being
// found, to the byte; and whatever is written by the rules is let pass.

#include <gtest/gtest.h>

#include "damage.hpp"

namespace glassheap {
namespace {

class Watched : public EveryPolicy {
 protected:
  // Writes as a program does that does not know what it does.
  [[gnu::no_sanitize_address]] static void flip(Rig& rig, Address at) {
    auto* const byte = std::bit_cast<volatile unsigned char*>(rig.at(at));
    *byte = *byte ^ 0x5A;
  }
  // The last bytes of the region, which are the trailer of the last block if that is live.
  static std::vector<std::byte> last_bytes(Rig& rig) {
    const std::vector<std::byte> bytes = bytes_of(*rig);
    return {bytes.end() - 16, bytes.end()};
  }
  [[gnu::no_sanitize_address]] static void put_last(Rig& rig, const std::vector<std::byte>& bytes) {
    auto* const end = std::bit_cast<volatile std::byte*>(rig.region() + rig->size());
    for (Size i = 0; i < bytes.size(); ++i) end[static_cast<std::ptrdiff_t>(i) - 16] = bytes[i];
  }
  // The bytes of the block behind its payload that are watched, as indices into the payload.
  static Size behind(Size size) { return extent(size) - front() - size; }

  static Size used(Rig& rig, Address payload) {
    return rig.granted([&](Fault& f) { return rig->usable_size(payload, f); });
  }
  static Fault taken_or_refused(Rig& rig, Size size) {
    Fault fault;
    const Address payload = rig->malloc(size, granule_size, fault);
    EXPECT_EQ(payload == 0, static_cast<bool>(fault));
    return fault;
  }
  static FaultKind only_finding(Rig& rig) {
    const Findings findings = rig.check();
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? FaultKind::none : findings.front().kind;
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, Watched, ::testing::ValuesIn(watched_variants()), by_name);

constexpr Size some_sizes[] = {0, 1, 15, 16, 17, 31, 32, 47, 100};

TEST_P(Watched, ABlockHasExactlyTheBytesThatWereAskedFor) {
  Rig rig(options());
  for (const Size size : some_sizes) {
    const Address payload = rig.malloc(size);
    EXPECT_EQ(used(rig, payload), size);
    EXPECT_EQ(rig.info(payload).size, size);
    std::fill_n(rig.at(payload), size, std::byte{0xAA});
  }
  EXPECT_TRUE(rig.check().empty());
}

TEST_P(Watched, EachByteBehindAPayloadIsFoundAtFree) {
  for (const Size size : some_sizes) {
    for (Size i = 0; i < behind(size); ++i) {
      Rig rig(options());
      rig.malloc(24);
      const Address payload = rig.malloc(size);
      flip(rig, payload + size + i);
      const Fault fault = rig.refused_free(payload);
      EXPECT_EQ(fault.kind, FaultKind::overflow_detected);
      EXPECT_EQ(fault.offset, payload - front() - rig->base());
      EXPECT_GE(size + i, fault.found) << "the first byte that was written, or its trailer";
      EXPECT_LE(size, fault.found);
      if (front() != 0) {
        EXPECT_EQ(fault.expected, size);
        EXPECT_EQ(fault.found, size + i);
      }
      expect_frozen(rig, payload);
      expect_recovery(rig);
    }
  }
}

TEST_P(Watched, AnOverflowIsFoundByEveryUseOfTheBlock) {
  const auto overflowed = [](auto use) {
    Rig rig(options());
    const Address payload = rig.malloc(20);
    flip(rig, payload + 20);
    return rig.refused([&](Fault& f) { use(rig, payload, f); }).kind;
  };
  constexpr auto kind = FaultKind::overflow_detected;
  EXPECT_EQ(overflowed([](Rig& r, Address p, Fault& f) { r->realloc(p, 1000, 16, f); }), kind);
  EXPECT_EQ(overflowed([](Rig& r, Address p, Fault& f) { r->realloc(p, 1, 16, f); }), kind);
  EXPECT_EQ(overflowed([](Rig& r, Address p, Fault& f) { r->usable_size(p, f); }), kind);
  EXPECT_EQ(overflowed([](Rig& r, Address p, Fault& f) {
              std::vector<Address> batch = {p};
              r->free_many(batch, f);
            }),
            kind);
}

TEST_P(Watched, CheckNamesTheBlockThatWasWrittenBehind) {
  Rig rig(options());
  const Address payload = rig.malloc(20);
  rig.malloc(20);
  flip(rig, payload + 21);
  std::vector<BlockInfo> culprits;
  const Findings findings = rig.granted([&](Fault& f) { return rig->check(f, &culprits); });
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, FaultKind::overflow_detected);
  ASSERT_EQ(culprits.size(), 1U);
  EXPECT_EQ(culprits[0].address, payload);
}

TEST_P(Watched, EachByteOfFreeMemoryIsFoundByCheck) {
  for (Offset at = 16; at < 512; at += 7) {
    Rig rig(options(512));
    const BlockInfo block = rig.walk().back();
    if (at < block.start - rig->base() + 16) continue;
    flip(rig, rig->base() + at);
    EXPECT_EQ(only_finding(rig), FaultKind::write_after_free);
    EXPECT_EQ(rig.check()[0].offset, at);
    expect_recovery(rig);
  }
}

TEST_P(Watched, AWriteIntoFreedMemoryIsFoundWhenItIsHandedOutAgain) {
  for (const Size size : {Size{17}, Size{100}, Size{200}}) {
    for (Size i = 16; i < extent(size); ++i) {
      Rig rig(options());
      const Address payload = rig.malloc(size);
      rig.malloc(16);
      rig.free(payload);
      flip(rig, payload - front() + i);
      Fault fault;  // the policy may take another block first
      for (int k = 0; k < 100 && !fault; ++k) fault = taken_or_refused(rig, size);
      EXPECT_EQ(fault.kind, FaultKind::write_after_free) << i;
      EXPECT_EQ(fault.offset, payload - front() + i - rig->base());
    }
  }
}

// Of a free block that is cut, what is handed out is looked at, and where nodes will stand. The
// rest is when it is handed out itself.
TEST_P(Watched, AWriteIntoFreeMemoryIsFoundByTheCutThatItConcerns) {
  const Size split = 128;
  const Size size = split - front() - 16;
  const auto refused = [&](Offset at) {
    Rig rig(options());
    flip(rig, rig->base() + at);
    const Fault fault = taken_or_refused(rig, size);
    if (fault) {
      EXPECT_EQ(fault.kind, FaultKind::write_after_free);
      EXPECT_EQ(fault.offset, at);
    }
    return static_cast<bool>(fault);
  };
  for (const Offset at : {Offset{16}, split / 2, split - 1, split, split + 15})
    EXPECT_TRUE(refused(at));
  EXPECT_FALSE(refused(split + 16));
  for (const Offset at : {2 * split, 4 * split + 15, 16 * split})
    EXPECT_EQ(refused(at), !cuts_anywhere(options())) << "a buddy of each order begins here";
}

// Its check fits the place where the block ends, but no block of this extent has that size.
TEST_P(Watched, AnOldTrailerThatIsPutBackIsFound) {
  Rig rig(options(256));
  const Size largest = rig.first_list().back().size;
  const Address whole = rig.malloc(largest);
  const std::vector<std::byte> trailer = last_bytes(rig);
  rig.free(whole);
  for (int i = 0; i < 4; ++i) rig.malloc(64 - 16 - front());
  const BlockInfo last = rig.walk().back();
  put_last(rig, trailer);
  const Fault fault = rig.refused([&](Fault& f) { rig->usable_size(last.address, f); });
  EXPECT_EQ(fault.kind, FaultKind::overflow_detected);
  EXPECT_EQ(fault.expected, 48 - front());
  EXPECT_EQ(fault.found, 48 - front());
}

TEST_P(Watched, WhatIsHandedOutShowsTheFillAndNothingElse) {
  Rig rig(options());
  std::vector<Address> payloads;
  for (const Size size : some_sizes) payloads.push_back(rig.malloc(size));
  for (const Address payload : payloads) rig.free(payload);
  for (const Size size : some_sizes) {
    const Address payload = rig.malloc(size);
    for (Size i = 0; i < size; ++i) ASSERT_EQ(rig.at(payload)[i], std::byte{GLASSHEAP_FREED});
  }
}

TEST_P(Watched, ABlockThatGrowsShowsNoTrailer) {
  Rig rig(options());
  Address payload = rig.calloc(1, 20);
  for (Size size = 20; size < 400; size += 9) {
    payload = rig.realloc(payload, size);
    for (Size i = 0; i < size; ++i) {
      const auto byte = std::to_integer<unsigned>(rig.at(payload)[i]);
      ASSERT_TRUE(byte == 0 || byte == GLASSHEAP_FREED || byte == GLASSHEAP_REDZONE) << i;
    }
    std::fill_n(rig.at(payload), size, std::byte{0});
  }
  EXPECT_TRUE(rig.check().empty());
}

TEST_P(Watched, WithZeroOnFreeTheFillIsZeros) {
  Options zeroing = options();
  zeroing.zero_on_free = true;
  Rig rig(zeroing);
  const Address payload = rig.malloc(100);
  std::fill_n(rig.at(payload), 100, std::byte{0xAA});
  rig.free(payload);
  const Address again = rig.malloc(200);
  for (Size i = 0; i < 200; ++i) ASSERT_EQ(rig.at(again)[i], std::byte{0});
  EXPECT_TRUE(rig.check().empty());
}

TEST_P(Watched, ARefusedBatchLeavesTheFillAsItWas) {
  Rig rig(options());
  const Address hole = rig.malloc(300);
  rig.malloc(16);
  rig.free(hole);
  const std::vector<Size> sizes = {20, 0, 40, 16, 100, 4000};
  std::vector<Address> addresses(sizes.size());
  const Fault fault = rig.refused([&](Fault& f) { rig->malloc_many(sizes, addresses, f); });
  EXPECT_EQ(fault.kind, FaultKind::out_of_memory);
  EXPECT_TRUE(rig.check().empty());
}

TEST_P(Watched, TheLargestFreeBlockCanBeHad) {
  Rig rig(options());
  rig.malloc(100, 64);
  const Size largest = rig.granted([&](Fault& f) { return rig->largest_free(f); });
  rig.malloc(largest);
  const Stats stats = rig.stats();
  Size offered = 0;
  for (const FreeBlock& block : rig.free_list()) offered += block.size;
  EXPECT_EQ(stats.available, offered);
}

}  // namespace
}  // namespace glassheap
