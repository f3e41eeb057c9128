// The statistics against a recount: everything that stats() says, counted again from the walk and
// from what the test itself asked for.

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "effort.hpp"
#include "rig.hpp"

namespace glassheap {
namespace {

// What can be counted from the blocks alone.
Stats recount(Rig& rig) {
  Stats sum;
  sum.size = rig->size();
  for (const BlockInfo& block : rig.walk()) {
    if (block.live) {
      ++sum.live_blocks;
      sum.requested += block.size;
      sum.overhead += block.extent - block.size;
      sum.used = block.start + block.extent - rig->base();
    } else {
      ++sum.free_blocks;
      sum.available += block.size;
      sum.largest_free = std::max(sum.largest_free, block.size);
    }
  }
  return sum;
}

void expect_recounted(Rig& rig, const Stats& stats) {
  const Stats sum = recount(rig);
  EXPECT_EQ(stats.size, sum.size);
  EXPECT_EQ(stats.live_blocks, sum.live_blocks);
  EXPECT_EQ(stats.free_blocks, sum.free_blocks);
  EXPECT_EQ(stats.requested, sum.requested);
  EXPECT_EQ(stats.overhead, sum.overhead);
  EXPECT_EQ(stats.used, sum.used);
  EXPECT_EQ(stats.available, sum.available);
  EXPECT_EQ(stats.largest_free, sum.largest_free);
  EXPECT_EQ(rig.granted([&](Fault& f) { return rig->available_memory(f); }), sum.available);
  EXPECT_EQ(rig.granted([&](Fault& f) { return rig->largest_free(f); }), sum.largest_free);
  EXPECT_EQ(rig.granted([&](Fault& f) { return rig->live_blocks(f); }), sum.live_blocks);
}

class StatsOf : public EveryPolicy {};
INSTANTIATE_TEST_SUITE_P(Policies, StatsOf, ::testing::ValuesIn(variants()), by_name);

TEST_P(StatsOf, AFreshHeapAreZeroButForItsSize) {
  Rig rig(options(4096));
  const Stats stats = rig.stats();
  expect_recounted(rig, stats);
  EXPECT_EQ(stats.available, 4096 - front());
  EXPECT_EQ(stats.peak_requested, 0U);
  EXPECT_EQ(stats.peak_used, 0U);
  EXPECT_EQ(stats.mallocs + stats.frees + stats.reallocs + stats.failures, 0U);
  EXPECT_EQ(stats.external_fragmentation(), 0);
}

// A random program that counts what it does. The peaks are those of the states between the calls,
// which is all that a program can ask for.
class Counting {
 public:
  Counting(Rig& rig, unsigned seed) : rig_(rig), random_(seed) {}

  void step() {
    const Size size = random_() % 200;
    if (live_.empty() || random_() % 3 == 0) {
      allocate(size);
    } else if (const auto block = any(); random_() % 2 == 0) {
      resize(block, size);
    } else {
      release(block);
    }
    note_peaks();
  }

  void expect_counted(const Stats& stats) const {
    EXPECT_EQ(stats.mallocs, mallocs_);
    EXPECT_EQ(stats.frees, frees_);
    EXPECT_EQ(stats.reallocs, reallocs_);
    EXPECT_EQ(stats.failures, failures_);
    EXPECT_EQ(stats.peak_requested, peak_requested_);
    EXPECT_EQ(stats.peak_used, peak_used_);
  }

 private:
  using Sizes = std::map<Address, Size>;

  Sizes::iterator any() {
    return std::next(live_.begin(), static_cast<std::ptrdiff_t>(random_() % live_.size()));
  }
  void allocate(Size size) {
    Fault fault;
    const Address payload = rig_->malloc(size, Size{16} << random_() % 4, fault);
    if (payload != 0) live_[payload] = size;
    ++(payload != 0 ? mallocs_ : failures_);
  }
  void resize(Sizes::iterator block, Size size) {
    Fault fault;
    const Address payload = rig_->realloc(block->first, size, 16, fault);
    ++(payload != 0 ? reallocs_ : failures_);
    if (payload == 0) return;
    live_.erase(block);
    live_[payload] = size;
  }
  void release(Sizes::iterator block) {
    rig_.free(block->first);
    live_.erase(block);
    ++frees_;
  }
  void note_peaks() {
    const Stats sum = recount(rig_);
    peak_requested_ = std::max(peak_requested_, sum.requested);
    peak_used_ = std::max(peak_used_, sum.used);
  }

  Rig& rig_;
  std::mt19937 random_;
  Sizes live_;
  std::uint64_t mallocs_ = 0, frees_ = 0, reallocs_ = 0, failures_ = 0;
  Size peak_requested_ = 0, peak_used_ = 0;
};

TEST_P(StatsOf, ARandomProgramAreItsRecount) {
  for (unsigned seed = 0; seed < static_cast<unsigned>(effort(40, 5)); ++seed) {
    Rig rig(options(2048));
    Counting program(rig, seed);
    for (int step = 0; step < 300; ++step) {
      program.step();
      const Stats stats = rig.stats();
      expect_recounted(rig, stats);
      program.expect_counted(stats);
      ASSERT_FALSE(HasFailure()) << "seed " << seed << ", step " << step;
    }
  }
}

// Between the calls, a block that moves is one block of its size: its old and its new place are not
// two requests. Counted as two, the peak utilisation would come out too good.
TEST_P(StatsOf, ABlockThatMovesIsNotRequestedTwice) {
  Rig rig(options(4096));
  const Address payload = rig.malloc(100);
  rig.malloc(16);
  rig.realloc(payload, 200);
  EXPECT_EQ(rig.stats().requested, shown(200) + shown(16));
  EXPECT_EQ(rig.stats().peak_requested, shown(200) + shown(16));
}

TEST_P(StatsOf, PeaksStayWhenTheBlocksGo) {
  Rig rig(options(4096));
  const Address payload = rig.malloc(1000);
  rig.free(payload);
  EXPECT_EQ(rig.stats().peak_requested, shown(1000));
  EXPECT_EQ(rig.stats().peak_used, extent(1000));
  EXPECT_EQ(rig.stats().requested, 0U);
  EXPECT_EQ(rig.stats().used, 0U);
}

// What is free, and how large it is, is known from outside the region: no node is believed for it.
TEST_P(StatsOf, AHeapWhoseNodesWereWrittenOverAreItsRecount) {
  Rig rig(options(4096));
  std::vector<Address> payloads;
  for (Size i = 0; i < 12; ++i) payloads.push_back(rig.malloc(200 + i % 3 * 2));
  for (std::size_t i = 0; i < 12; i += 2) rig.free(payloads[i]);
  for (const BlockInfo& block : rig.walk()) {
    if (block.live) continue;
    std::memset(rig.at(block.start), 0x5A, 16);
    expect_recounted(rig, rig.stats());
  }
}

TEST_P(StatsOf, ExternalFragmentationIsOneLessTheLargestShare) {
  Rig rig(options(320));
  const Address a = rig.malloc(32);
  rig.malloc(32);
  rig.malloc(16);
  rig.free(a);
  const Stats sum = recount(rig);
  EXPECT_GT(sum.available, sum.largest_free);
  EXPECT_DOUBLE_EQ(rig.stats().external_fragmentation(),
                   1 - static_cast<double>(sum.largest_free) / static_cast<double>(sum.available));
  while (!rig.free_list().empty()) rig.malloc(recount(rig).largest_free);
  EXPECT_EQ(rig.stats().external_fragmentation(), 0);
}

}  // namespace
}  // namespace glassheap
