// The region: of the requested size, aligned as requested, zero, and with guard pages on both
// sides.

#include "base/region.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "limits.hpp"

namespace glassheap {
namespace {

Size page() { return static_cast<Size>(sysconf(_SC_PAGESIZE)); }

Address address_of(const Region& region) { return std::bit_cast<Address>(region.data()); }

// Asks the kernel if a byte can be read: write() from an unreadable address fails with EFAULT.
bool readable(Address byte) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(pipe(ends), 0);
  const bool written = write(ends[1], std::bit_cast<const void*>(byte), 1) == 1;
  for (const int end : ends) close(end);
  return written;
}

TEST(Region, IsZeroAndPlacedAsItsAlignmentAsksAndCanBeWritten) {
  for (Size alignment = 16; alignment <= Size{1} << 20; alignment *= 4) {
    for (const Size size : {Size{16}, Size{100}, Size{4080}, Size{4096}, Size{5000}, Size{70000}}) {
      for (const Address like : {Size{0}, Size{16}, Size{48}, alignment - 16, alignment * 7 + 32}) {
        const Region region = Region::map(size, alignment, like);
        ASSERT_TRUE(region);
        EXPECT_EQ(region.size(), round_up(size, 16));
        EXPECT_EQ(address_of(region) % alignment, like % alignment) << size << " at " << alignment;
        const auto bytes = std::span(region.data(), region.size());
        EXPECT_EQ(std::ranges::count(bytes, std::byte{0}), std::ssize(bytes));
        std::memset(region.data(), 1, region.size());
      }
    }
  }
}

// Whatever its size and address, no access is possible from the first page boundary behind the
// region on, nor below the last one in front of it.
TEST(Region, HasGuardPagesOnBothSides) {
  for (const Size alignment : {Size{16}, Size{32}, Size{256}, Size{1024}, page(), 4 * page()}) {
    for (const Size size : {Size{16}, Size{1000}, page() - 16, page(), page() + 16, 5 * page()}) {
      const Region region = Region::map(size, alignment, 0);
      const Address first = address_of(region);
      const Address end = first + region.size();
      EXPECT_TRUE(readable(first));
      EXPECT_TRUE(readable(end - 1));
      EXPECT_FALSE(readable(round_up(end, page()))) << size << " at " << alignment;
      EXPECT_FALSE(readable(round_down(first, page()) - 1)) << size << " at " << alignment;
      // An overflow by a single byte is stopped, if the alignment permits.
      EXPECT_LT(round_up(end, page()) - end, alignment) << "further from the guard than needed";
    }
  }
}

TEST(Region, MovesWithItsBytesAndIsUnmappedWhenDestroyed) {
  Region one = Region::map(4096, granule_size, 0);
  const Address first = address_of(one);
  Region two = std::move(one);
  EXPECT_EQ(address_of(two), first);
  Region other = Region::map(4096, granule_size, 0);
  const Address second = address_of(other);
  two = std::move(other);
  other = Region();
  EXPECT_FALSE(readable(first));
  EXPECT_EQ(address_of(two), second);
  EXPECT_TRUE(readable(second));
  two = Region();
  EXPECT_FALSE(readable(second));
  EXPECT_FALSE(two);
  EXPECT_EQ(two.data(), nullptr);
}

// If the system gives no pages, the result is an empty region, not a crash.
TEST(RegionDeathTest, IsEmptyWhenTheSystemGivesNoPages) {
  const auto ask = [] {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_AS, &none);
    const Region region = Region::map(Size{1} << 30, granule_size, 0);
    _exit(region || region.size() != 0 ? 1 : 0);
  };
  EXPECT_EXIT(ask(), ::testing::ExitedWithCode(0), "");
}

// 64 GiB less a granule: the arithmetic of the address does not wrap, mapped or not. A sanitizer
// writes to a byte of its own for each eight that are unmapped, so there it is a GiB.
TEST(Region, TheLargestIsMappedWholeOrNotAtAll) {
  constexpr Size size = slow_build ? (Size{1} << 30) - granule_size : largest_region;
  constexpr Size alignment = slow_build ? Size{1} << 27 : Size{1} << 33;
  const Region region = Region::map(size, alignment, 16);
  EXPECT_EQ(region.size(), region ? size : 0);
  EXPECT_EQ(address_of(region) % alignment, region ? 16U : 0U);
}

}  // namespace
}  // namespace glassheap
