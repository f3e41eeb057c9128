// The rows of the block map against std::set: each column must have the same members and find the
// same neighbours, in every width, around every border of a row, and through every level of the
// summaries, which may be stale; and buddies must split and merge as if bit by bit.

#include "block/map_rows.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

#include "base/region.hpp"
#include "limits.hpp"

namespace glassheap {
namespace {

using Row = MapRows::Row;
using Members = std::set<std::size_t>;

std::size_t lowest_above(const Members& members, std::size_t i) {
  const auto found = members.upper_bound(i);
  return found == members.end() ? MapRows::none : *found;
}
std::size_t highest_below(const Members& members, std::size_t i) {
  const auto above = members.lower_bound(i);
  return above == members.begin() ? MapRows::none : *std::prev(above);
}

// The rows, and sets with the same members. A free bit is set where a block starts alone. A canary
// behind the rows detects a write past their end.
class CheckedRows {
 public:
  explicit CheckedRows(std::size_t granules)
      : granules_(granules),
        memory_(MapRows::rows_for(granules) + 1),
        rows_(memory_.data(), granules) {
    memory_.back() = canary;
  }

  // From no block to a live one, to a free one, and to none again; at odd places the other way round.
  void step(std::size_t i) {
    const bool odd = i % 2 == 1;
    const bool add = starts_.insert(i).second;
    const bool to_free = add ? odd : !odd && !free_.contains(i);
    if (add) {
      odd ? rows_.add_free(i) : rows_.add_live(i);
    } else if (to_free) {
      rows_.make_free(i);
    } else if (odd && free_.contains(i)) {
      rows_.make_live(i);
    } else {
      odd ? rows_.remove_live(i) : rows_.remove_free(i);
      starts_.erase(i);
    }
    if (to_free) {
      free_.insert(i);
    } else {
      free_.erase(i);
    }
  }
  void step_all() {
    for (std::size_t i = 0; i < granules_; ++i) step(i);
  }
  void rebuild() { rows_.rebuild_summaries(); }

  void expect_same_at(std::size_t i) const {
    ASSERT_EQ(rows_.is_start(i), starts_.contains(i)) << i << " of " << granules_;
    ASSERT_EQ(rows_.is_free(i), free_.contains(i)) << i << " of " << granules_;
    ASSERT_EQ(rows_.is_start_only(i), starts_.contains(i) && !free_.contains(i)) << i;
    ASSERT_EQ(rows_.start_above(i), lowest_above(starts_, i)) << i << " of " << granules_;
    ASSERT_EQ(rows_.free_above(i), lowest_above(free_, i)) << i << " of " << granules_;
    const std::size_t left = highest_below(starts_, i);
    ASSERT_EQ(rows_.start_below(i), left) << i << " of " << granules_;
    ASSERT_EQ(rows_.free_below(i), highest_below(free_, i)) << i << " of " << granules_;
    ASSERT_EQ(rows_.free_ending_at(i), free_.contains(left) ? left : MapRows::none) << i;
  }
  void expect_same_everywhere() const {
    for (std::size_t i = 0; i <= granules_; ++i)
      ASSERT_NO_FATAL_FAILURE(expect_same_at(i)) << granules_;
    ASSERT_EQ(memory_.back(), canary) << granules_;
  }

 private:
  static constexpr Row canary{0x5AFE5AFE5AFE5AFE, 0x5AFE5AFE5AFE5AFE};

  std::size_t granules_;
  std::vector<Row> memory_;
  MapRows rows_;
  Members starts_;
  Members free_;
};

TEST(MapRows, FindASingleBlockOrGapFromEveryPlaceInEveryWidth) {
  for (std::size_t granules = 1; granules <= 130; ++granules) {
    for (const int state : {0, 1, 2}) {
      CheckedRows checked(granules);
      for (int i = 0; i < state; ++i) checked.step_all();
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_everywhere());
      for (std::size_t i = 0; i < granules; i += 1 + granules / 20) {
        for (int step = 0; step < 3; ++step) {
          checked.step(i);
          ASSERT_NO_FATAL_FAILURE(checked.expect_same_everywhere());
        }
      }
    }
  }
}

TEST(MapRows, AgreeWithSetsInEveryWidthUpTo300) {
  std::mt19937 random(1);
  for (std::size_t granules = 1; granules <= 300; ++granules) {
    CheckedRows checked(granules);
    for (int round = 0; round < scaled(12, 3); ++round) {
      for (int i = 0; i < 10; ++i) checked.step(random() % granules);
      ASSERT_NO_FATAL_FAILURE(checked.expect_same_everywhere());
    }
  }
}

// The blocks are far apart, so that a search climbs three levels or more and descends again, past
// summaries whose rows are empty by now.
TEST(MapRows, CrossManyLevelsBothWays) {
  std::mt19937 random(3);
  for (const std::size_t granules : {4096U, 4097U, 262143U, 262144U, 262145U, 20000003U}) {
    CheckedRows checked(granules);
    for (int round = 0; round < scaled(600, 100); ++round) {
      const std::size_t i = random() % granules;
      for (auto steps = 1 + random() % 3; steps > 0; --steps) checked.step(i);
      for (int look = 0; look < 50; ++look)
        ASSERT_NO_FATAL_FAILURE(checked.expect_same_at(random() % granules));
      if (round % 100 == 99) checked.rebuild();
    }
    ASSERT_NO_FATAL_FAILURE(checked.expect_same_at(0));
    ASSERT_NO_FATAL_FAILURE(checked.expect_same_at(granules));
  }
}

// A search that passes rows that were emptied takes their bits out of the summaries: the next one
// reads none of them.
TEST(MapRows, RemoveStaleBitsOfTheSummariesOnTheWay) {
  constexpr std::size_t granules = 1 << 14;
  for (const bool upwards : {true, false}) {
    std::vector<Row> memory(MapRows::rows_for(granules));
    MapRows rows(memory.data(), granules);
    for (std::size_t i = 0; i < granules; i += 64) rows.make_free(i);
    for (std::size_t i = 0; i < granules; i += 64) rows.make_live(i);
    EXPECT_EQ(upwards ? rows.free_above(0) : rows.free_below(granules), MapRows::none);
    const auto set = std::ranges::count_if(memory, [](const Row& row) { return row != Row{}; });
    EXPECT_LE(set, 3) << "the row of the first place, and the summaries above it";
  }
}

// A block of some granules at i is halved down to `low`, and merges again from the block at `at`.
void expect_halving_and_merging(std::size_t i, std::size_t low, std::size_t granules,
                                std::size_t at) {
  const std::size_t all = std::size_t{1} << 14;
  std::vector<Row> memory(MapRows::rows_for(all));
  std::vector<Row> expected(memory);
  MapRows rows(memory.data(), all);
  MapRows one_by_one(expected.data(), all);
  rows.add_free(i);
  one_by_one.add_free(i);
  const std::vector<Row> whole = memory;
  ASSERT_TRUE(rows.is_alone(i, granules));
  rows.split(i, low, granules);
  for (std::size_t size = low; size < granules; size *= 2) one_by_one.add_free(i + size);
  ASSERT_EQ(memory, expected);
  ASSERT_EQ(rows.is_alone(i, granules), low == granules);
  rows.merge(i, i, granules);
  ASSERT_EQ(memory, whole);
  for (std::size_t size = low; size < granules; size *= 2) rows.add_free((at & ~(size - 1)) ^ size);
  rows.add_free(at);
  rows.merge(i, at, granules);
  ASSERT_EQ(memory, whole);
}

// Whole words are written at each level: the summaries must come out as if each bit had been.
TEST(MapRows, HalveAndMergeBuddiesAsIfOneByOne) {
  std::mt19937 random(5);
  for (std::size_t granules = 1; granules <= 1 << 14; granules *= 2) {
    for (std::size_t low = 1; low <= granules; low *= 2) {
      for (const std::size_t i : {std::size_t{0}, (std::size_t{1} << 14) - granules}) {
        const std::size_t at = i + random() % (granules / low) * low;
        ASSERT_NO_FATAL_FAILURE(expect_halving_and_merging(i, low, granules, at))
            << i << ' ' << low;
      }
    }
  }
}

// Blocks that were removed one by one leave stale summaries: a block is alone again all the same.
TEST(MapRows, TellThatABlockIsAloneByStaleSummaries) {
  constexpr std::size_t granules = 1 << 14;
  for (std::size_t other = 1; other < granules; other += 1 + other / 3) {
    std::vector<Row> memory(MapRows::rows_for(granules));
    MapRows rows(memory.data(), granules);
    rows.add_free(0);
    rows.add_live(other);
    EXPECT_FALSE(rows.is_alone(0, granules)) << other;
    EXPECT_TRUE(rows.is_alone(0, std::bit_floor(other))) << other;
    rows.remove_live(other);
    EXPECT_TRUE(rows.is_alone(0, granules)) << other;
  }
}

// Another program may write to the rows of a shared heap. A search then ends, reads no other rows
// (AddressSanitizer sees that), and finds a place in its direction, at most in the padding.
TEST(MapRows, SearchInTheirDirectionWhateverTheBitsAre) {
  std::mt19937_64 random(4);
  for (const std::size_t granules : {1U, 64U, 65U, 4096U, 4097U, 262145U, 1000003U}) {
    std::vector<Row> memory(MapRows::rows_for(granules));
    const MapRows rows(memory.data(), granules);
    const std::size_t padded = granules + 64 * 3;
    const std::size_t summaries = std::min<std::size_t>(memory.size(), 8);
    for (int round = 0; round < scaled(20000, 5000); ++round) {
      const bool above = random() % 2 == 0;
      Row& row = above ? memory[memory.size() - 1 - random() % summaries]
                       : memory[random() % memory.size()];
      (random() % 2 == 0 ? row.starts : row.free) = random() % 2 == 0 ? random() : 0;
      const std::size_t i = random() % 4 == 0 ? granules : random() % granules;
      for (const std::size_t next : {rows.start_above(i), rows.free_above(i)})
        ASSERT_TRUE(next == MapRows::none || (i < next && next < padded)) << next << " above " << i;
      for (const std::size_t prev :
           {rows.start_below(i), rows.free_below(i), rows.free_ending_at(i)})
        ASSERT_TRUE(prev < i || prev > MapRows::none - 64) << prev << " below " << i;
    }
  }
}

// The largest region has 2^32 - 1 granules: its map needs all six levels, and three rows around
// level 0 that are always zero. The rows are in a mapped region, whose pages take no memory until
// they are touched.
TEST(MapRows, ServeTheLargestRegion) {
  constexpr std::size_t granules = (std::size_t{1} << 32) - 1;
  const std::size_t count = MapRows::rows_for(granules);
  EXPECT_EQ(count, 3 + 67108864U + 1048576U + 16384U + 256U + 4U + 1U);
  const Region memory = Region::map(count * sizeof(Row), granule_size, 0);
  if (!memory) GTEST_SKIP() << "This system does not provide so much address space.";
  MapRows rows(reinterpret_cast<Row*>(memory.data()), granules);
  rows.add_live(0);
  rows.add_live(granules - 1);
  EXPECT_EQ(rows.start_above(1), granules - 1);
  EXPECT_EQ(rows.start_below(granules - 1), 0U);
  rows.remove_live(0);
  EXPECT_EQ(rows.start_below(granules - 1), MapRows::none);
}

}  // namespace
}  // namespace glassheap
