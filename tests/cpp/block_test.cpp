// The arithmetic of size and extent, and the seal. heap_contract_test.cpp reads the bytes of
// headers, c_api_test.c those of nodes.

#include "block/block.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <optional>
#include <random>
#include <set>

namespace glassheap {
namespace {

constexpr std::uint32_t magic = 0xDEADBEEF;

constexpr Layout with_headers;
constexpr Layout headerless{.front = 0};
constexpr Layout buddies{.powers_of_two = true};
constexpr Layout headerless_buddies{.front = 0, .powers_of_two = true};

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

static_assert(link_to(nowhere) == GLASSHEAP_NIL && linked(GLASSHEAP_NIL) == nowhere);
static_assert(link_to(4080) == 255 && linked(255) == 4080);
static_assert(linked(link_to(largest_region - 16)) == largest_region - 16);

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

TEST(Seal, ChangesWithEveryFieldAndWithThePlace) {
  constexpr int most = 8;
  EXPECT_LT(misses([](Sealed& s, auto) { s.start += 16; }), most);
  EXPECT_LT(misses([](Sealed& s, auto bits) { s.start ^= 16U << bits % 16; }), most);
  EXPECT_LT(misses([](Sealed& s, auto) { ++s.header.size; }), most);
  EXPECT_LT(misses([](Sealed& s, auto bits) { s.header.size ^= Size{1} << bits % 64; }), most);
  EXPECT_LT(misses([](Sealed& s, auto bits) { s.header.magic ^= 1U << bits % 32; }), most);
  EXPECT_LT(misses([](Sealed& s, auto) { ++s.header.serial; }), most);
  EXPECT_LT(misses([](Sealed& s, auto bits) {
              s.header.serial = static_cast<std::uint16_t>(s.header.serial ^ 1U << bits % 16);
            }),
            most);
}

// The effect of a change depends on the key, even for the highest bit, which has no carry: so a
// seal cannot be corrected without the key.
TEST(Seal, IsKeyedForEachHeapAndChangesInAnotherWayUnderEachKey) {
  std::set<unsigned> seals, changes;
  for (int i = 0; i < 1000; ++i) {
    const Sealer sealer;
    seals.insert(sealer.seal(32, {100, magic, 1, 0}));
    changes.insert(sealer.seal(32, {100, magic, 1, 0}) ^
                   sealer.seal(32, {100 | Size{1} << 63, magic, 1, 0}));
  }
  EXPECT_GT(seals.size(), 950U);
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
    const header_t forged{other, magic, static_cast<std::uint16_t>(difference), 0};
    same += sealer.seal(0, {one, magic, 0, 0}) == sealer.seal((difference >> 32) * 16, forged);
  }
  EXPECT_LT(same, 3);
}

TEST(Seal, DependsOnNothingElse) {
  const Sealer sealer;
  EXPECT_EQ(sealer.seal(32, {100, magic, 1, 0}), sealer.seal(32, {100, magic, 1, 0xFFFF}));
}

}  // namespace
}  // namespace glassheap
