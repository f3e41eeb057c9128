// The bytes in front of a payload, the arithmetic of size and extent, and the seal.

#include "block/block.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "base/region.hpp"
#include "printing.hpp"

namespace glassheap {
namespace {

constexpr std::uint32_t magic = 0xDEADBEEF;

class BlockBytesTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::uint64_t read(Offset at, std::size_t width) const {
    std::uint64_t value = 0;
    std::memcpy(&value, region_.data() + at, width);
    return value;
  }

  Region region_ = Region::map(4096, granule_size, 0);
  BlockBytes bytes_{{region_.data(), region_.size()}, Layout{}, magic};
};

// Students and debuggers read these bytes by hand: the offsets are the documented ones.
TEST_F(BlockBytesTest, AHeaderLiesAsDocumented) {
  bytes_.write_header(32, 100, 7);
  EXPECT_EQ(read(32, 8), 100U);
  EXPECT_EQ(read(40, 4), magic);
  EXPECT_EQ(read(44, 2), 7U);
  EXPECT_EQ(read(46, 2), bytes_.seal(32, bytes_.header(32)));
  constexpr Layout layout;
  EXPECT_EQ(layout.payload_of(32), 48U);
  EXPECT_EQ(layout.start_of(48), 32U);
}

TEST_F(BlockBytesTest, ANodeLiesAsDocumented) {
  bytes_.write_node({64, 4032}, 48, nowhere);
  EXPECT_EQ(read(64, 8), 4016U);
  EXPECT_EQ(read(72, 4), 3U);
  EXPECT_EQ(read(76, 4), 0xFFFFFFFFU);
  bytes_.set_next(64, 160);
  bytes_.set_prev(64, 0);
  EXPECT_EQ(read(64, 8), 4016U);
  EXPECT_EQ(read(72, 4), 10U);
  EXPECT_EQ(read(76, 4), 0U);
}

TEST_F(BlockBytesTest, ScrubbingTakesExactlyTheFront) {
  std::memset(region_.data(), 0xFF, region_.size());
  bytes_.scrub(32);
  EXPECT_EQ(read(24, 8), ~std::uint64_t{0});
  EXPECT_EQ(read(32, 8), 0U);
  EXPECT_EQ(read(40, 8), 0U);
  EXPECT_EQ(read(48, 8), ~std::uint64_t{0});
}

TEST_F(BlockBytesTest, PlaceIsTheLowestAlignedPlaceThatFits) {
  for (Size align = 16; align <= 1024; align *= 2) {
    for (Offset start = 0; start < 512; start += 16) {
      for (Size extent = 16; extent <= 1200; extent += 80) {
        const auto place = bytes_.place({start, 1024}, {extent, align});
        Offset lowest = start;
        while (!bytes_.is_aligned(bytes_.layout.payload_of(lowest), align)) lowest += 16;
        const bool fits = lowest + extent <= start + 1024;
        ASSERT_EQ(place.has_value(), fits) << start << ' ' << extent << ' ' << align;
        ASSERT_EQ(place.value_or(lowest), lowest);
      }
    }
  }
}

constexpr Layout with_headers;
constexpr Layout headerless{.front = 0};
constexpr Layout buddies{.powers_of_two = true};
constexpr Layout headerless_buddies{.front = 0, .powers_of_two = true};

TEST(BlockArithmetic, ExtentIsTheHeaderAndTheRoundedSize) {
  for (Size size = 0; size < 5000; ++size) {
    const Size extent = with_headers.extent_for(size);
    ASSERT_EQ(extent % 16, 0U);
    ASSERT_GE(extent, size + 16);
    ASSERT_LT(extent, size + 32);
    ASSERT_LE(size, with_headers.on_offer(extent));
    ASSERT_EQ(headerless.extent_for(size), std::max(extent - 16, Size{16}));
    ASSERT_EQ(buddies.extent_for(size), std::bit_ceil(extent));
    ASSERT_EQ(headerless_buddies.extent_for(size), std::bit_ceil(headerless.extent_for(size)));
  }
  EXPECT_EQ(with_headers.extent_for(largest_region), largest_region + 16);
}

TEST(BlockArithmetic, WithoutAHeaderAPayloadStartsWhereItsBlockDoes) {
  EXPECT_EQ(headerless.payload_of(32), 32U);
  EXPECT_EQ(headerless.start_of(32), 32U);
  EXPECT_EQ(headerless.on_offer(4096), 4096U);
}

TEST(BlockArithmetic, ASizeFillsExactlyTheExtentThatItAsksFor) {
  for (const Layout& layout : {with_headers, headerless, buddies, headerless_buddies}) {
    for (Size size = 0; size < 300; ++size) {
      for (Size extent = 16; extent < 600; extent += 16)
        ASSERT_EQ(layout.fills(size, extent), extent == layout.extent_for(size))
            << size << " in " << extent;
    }
  }
}

// A size read from a damaged header can be any number; rounding it up would wrap to a small one.
TEST(BlockArithmetic, NoHostileSizeFillsAnything) {
  for (const Layout& layout : {with_headers, headerless, buddies}) {
    for (Size extent = 0; extent <= 4096; extent += 16) {
      for (Size k = 0; k <= 4200; ++k) {
        ASSERT_FALSE(layout.fills(~Size{0} - k, extent)) << k;
        ASSERT_FALSE(layout.fills((Size{1} << 63) - 2100 + k, extent)) << k;
        ASSERT_FALSE(layout.fills((Size{1} << 32) - 16 + k * (Size{1} << 32), extent)) << k;
      }
    }
  }
}

TEST(BlockArithmetic, LinksAndOffsetsAreInverse) {
  EXPECT_EQ(link_to(nowhere), GLASSHEAP_NIL);
  EXPECT_EQ(linked(GLASSHEAP_NIL), nowhere);
  for (const Offset start : {Offset{0}, Offset{16}, Offset{4080}, largest_region - 16}) {
    EXPECT_EQ(linked(link_to(start)), start);
    EXPECT_NE(link_to(start), GLASSHEAP_NIL);
  }
}

// --- The seal: a change of offset, size, magic or serial must change it. -----------------------
//
// A seal of 16 bits misses one change in 65,536. So each test makes many changes under many keys
// and bounds the misses: of 20,000 changes 0.3 are expected to be missed, and 8 misses would occur
// by chance once in 10^10 runs.

struct Sealed {
  Offset start;
  header_t header;
};

template <typename Change>
int misses(Change change) {
  std::mt19937_64 random(5);
  int missed = 0;
  std::optional<Sealer> sealer;
  for (int i = 0; i < 20000; ++i) {
    if (i % 20 == 0) sealer.emplace();
    const Sealed was{random() % 65536 * 16,
                     {random() % 4096, magic, static_cast<std::uint16_t>(random()), 0}};
    Sealed now = was;
    change(now, random());
    missed += sealer->seal(was.start, was.header) == sealer->seal(now.start, now.header) ? 1 : 0;
  }
  return missed;
}

constexpr int most_misses = 8;

TEST(Seal, ChangesWithTheOffset) {
  EXPECT_LT(misses([](Sealed& s, auto) { s.start += 16; }), most_misses);
  EXPECT_LT(misses([](Sealed& s, auto bits) { s.start ^= 16U << bits % 16; }), most_misses);
}

TEST(Seal, ChangesWithTheSize) {
  EXPECT_LT(misses([](Sealed& s, auto) { ++s.header.size; }), most_misses);
  EXPECT_LT(misses([](Sealed& s, auto bits) { s.header.size ^= Size{1} << bits % 64; }),
            most_misses);
}

TEST(Seal, ChangesWithTheMagic) {
  EXPECT_LT(misses([](Sealed& s, auto bits) { s.header.magic ^= 1U << bits % 32; }), most_misses);
}

TEST(Seal, ChangesWithTheSerial) {
  EXPECT_LT(misses([](Sealed& s, auto) { ++s.header.serial; }), most_misses);
  const auto flip = [](Sealed& s, auto bits) {
    s.header.serial = static_cast<std::uint16_t>(s.header.serial ^ 1U << bits % 16);
  };
  EXPECT_LT(misses(flip), most_misses);
}

// A header that was sealed by one heap is not valid in another.
TEST(Seal, IsKeyedForEachHeap) {
  const header_t header{100, magic, 1, 0};
  int same = 0;
  for (int i = 0; i < 1000; ++i)
    same += Sealer().seal(32, header) == Sealer().seal(32, header) ? 1 : 0;
  EXPECT_LT(same, 3);
}

// The effect of a change depends on the key, even for the highest bit, which has no carry: so a
// seal cannot be corrected without the key.
TEST(Seal, ChangesInAnotherWayUnderEachKey) {
  std::set<unsigned> changes;
  for (int i = 0; i < 1000; ++i) {
    const Sealer sealer;
    changes.insert(sealer.seal(32, {100, magic, 1, 0}) ^
                   sealer.seal(32, {100 | Size{1} << 63, magic, 1, 0}));
  }
  EXPECT_GT(changes.size(), 4U);
}

// An attack that knows the source but not the key: two sizes whose first steps differ only in bits
// that the offset and the serial can compensate. If the first step were not keyed, two such headers
// would have the same seal in every heap.
TEST(Seal, IsKeyedBeforeThePlaceAndTheSerialComeIn) {
  const auto first_step = [](Size size) {
    const std::uint64_t mixed = size * 0x9E3779B97F4A7C15U;
    return mixed ^ mixed >> 32;
  };
  std::map<std::uint64_t, Size> known;
  Size one = 0;
  Size other = 0;
  while (one == other) {
    other += 1;
    one = known.try_emplace(first_step(other) >> 16 & 0xFFFF, other).first->second;
  }
  const std::uint64_t difference = first_step(one) ^ first_step(other);
  int same = 0;
  for (int i = 0; i < 1000; ++i) {
    const Sealer sealer;
    same += sealer.seal(0, {one, magic, 0, 0}) ==
                    sealer.seal((difference >> 32) * 16,
                                {other, magic, static_cast<std::uint16_t>(difference), 0})
                ? 1
                : 0;
  }
  EXPECT_LT(same, 3);
}

TEST(Seal, DependsOnNothingElse) {
  const Sealer sealer;
  EXPECT_EQ(sealer.seal(32, {100, magic, 1, 0}), sealer.seal(32, {100, magic, 1, 0xFFFF}));
}

}  // namespace
}  // namespace glassheap
