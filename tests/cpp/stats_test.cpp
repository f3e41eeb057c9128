// The statistics against a recount: each number of stats(), counted again from the walk and from
// the calls of the test itself.

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "heap_fixture.hpp"
#include "scale.hpp"

namespace glassheap {
namespace {

// The statistics that can be counted from the blocks alone.
Stats recount(HeapFixture& heap) {
  Stats sum;
  sum.size = heap->size();
  for (const BlockInfo& block : heap.walk()) {
    if (block.live) {
      ++sum.live_blocks;
      sum.requested += block.size;
      sum.overhead += block.extent - block.size;
      sum.used = block.start + block.extent - heap->base();
    } else {
      ++sum.free_blocks;
      sum.available += block.size;
      sum.largest_free = std::max(sum.largest_free, block.size);
    }
  }
  return sum;
}

void expect_recounted(HeapFixture& heap, const Stats& stats) {
  const Stats sum = recount(heap);
  EXPECT_EQ(stats.size, sum.size);
  EXPECT_EQ(stats.live_blocks, sum.live_blocks);
  EXPECT_EQ(stats.free_blocks, sum.free_blocks);
  EXPECT_EQ(stats.requested, sum.requested);
  EXPECT_EQ(stats.overhead, sum.overhead);
  EXPECT_EQ(stats.used, sum.used);
  EXPECT_EQ(stats.available, sum.available);
  EXPECT_EQ(stats.largest_free, sum.largest_free);
  EXPECT_EQ(heap.granted([&](Fault& f) { return heap->available_memory(f); }), sum.available);
  EXPECT_EQ(heap.granted([&](Fault& f) { return heap->largest_free(f); }), sum.largest_free);
  EXPECT_EQ(heap.granted([&](Fault& f) { return heap->live_blocks(f); }), sum.live_blocks);
}

class StatsOf : public EveryPolicy {};
INSTANTIATE_TEST_SUITE_P(Policies, StatsOf, ::testing::ValuesIn(variants()), by_name);

TEST_P(StatsOf, AFreshHeapAreZeroButForItsSize) {
  HeapFixture heap(options(4096));
  const Stats stats = heap.stats();
  expect_recounted(heap, stats);
  EXPECT_EQ(stats.available, 4096 - front());
  EXPECT_EQ(stats.peak_requested, 0U);
  EXPECT_EQ(stats.peak_used, 0U);
  EXPECT_EQ(stats.mallocs + stats.frees + stats.reallocs + stats.failures, 0U);
  EXPECT_EQ(stats.external_fragmentation(), 0);
}

// A random program that counts its calls. Its peaks are those of the states between calls, which
// are the only ones that a program can observe.
class CountingProgram {
 public:
  CountingProgram(HeapFixture& heap, unsigned seed) : heap_(heap), random_(seed) {}

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
    const Address payload = heap_->malloc(size, Size{16} << random_() % 4, fault);
    if (payload != 0) live_[payload] = size;
    ++(payload != 0 ? mallocs_ : failures_);
  }
  void resize(Sizes::iterator block, Size size) {
    Fault fault;
    const Address payload = heap_->realloc(block->first, size, 16, fault);
    ++(payload != 0 ? reallocs_ : failures_);
    if (payload == 0) return;
    live_.erase(block);
    live_[payload] = size;
  }
  void release(Sizes::iterator block) {
    heap_.free(block->first);
    live_.erase(block);
    ++frees_;
  }
  void note_peaks() {
    const Stats sum = recount(heap_);
    peak_requested_ = std::max(peak_requested_, sum.requested);
    peak_used_ = std::max(peak_used_, sum.used);
  }

  HeapFixture& heap_;
  std::mt19937 random_;
  Sizes live_;
  std::uint64_t mallocs_ = 0, frees_ = 0, reallocs_ = 0, failures_ = 0;
  Size peak_requested_ = 0, peak_used_ = 0;
};

TEST_P(StatsOf, ARandomProgramMatchARecount) {
  for (unsigned seed = 0; seed < static_cast<unsigned>(scaled(40, 5)); ++seed) {
    HeapFixture heap(options(2048));
    CountingProgram program(heap, seed);
    for (int step = 0; step < 300; ++step) {
      program.step();
      const Stats stats = heap.stats();
      expect_recounted(heap, stats);
      program.expect_counted(stats);
      ASSERT_FALSE(HasFailure()) << "seed " << seed << ", step " << step;
    }
  }
}

// A block that moves is one request, not two: its old and its new place are never counted together.
// Otherwise the peak utilisation would be too high.
TEST_P(StatsOf, ABlockThatMovesIsNotRequestedTwice) {
  HeapFixture heap(options(4096));
  const Address payload = heap.malloc(100);
  heap.malloc(16);
  heap.realloc(payload, 200);
  EXPECT_EQ(heap.stats().requested, reported(200) + reported(16));
  EXPECT_EQ(heap.stats().peak_requested, reported(200) + reported(16));
}

TEST_P(StatsOf, PeaksStayWhenTheBlocksGo) {
  HeapFixture heap(options(4096));
  const Address payload = heap.malloc(1000);
  heap.free(payload);
  EXPECT_EQ(heap.stats().peak_requested, reported(1000));
  EXPECT_EQ(heap.stats().peak_used, extent(1000));
  EXPECT_EQ(heap.stats().requested, 0U);
  EXPECT_EQ(heap.stats().used, 0U);
}

// The free blocks and their sizes are counted from the block map, which is outside the region: no
// node is trusted for it.
TEST_P(StatsOf, AHeapWithOverwrittenNodesMatchARecount) {
  HeapFixture heap(options(4096));
  std::vector<Address> payloads;
  for (Size i = 0; i < 12; ++i) payloads.push_back(heap.malloc(200 + i % 3 * 2));
  for (std::size_t i = 0; i < 12; i += 2) heap.free(payloads[i]);
  for (const BlockInfo& block : heap.walk()) {
    if (block.live) continue;
    std::memset(heap.at(block.start), 0x5A, 16);
    expect_recounted(heap, heap.stats());
  }
}

TEST_P(StatsOf, ExternalFragmentationIsOneLessTheLargestShare) {
  HeapFixture heap(options(320));
  const Address a = heap.malloc(32);
  heap.malloc(32);
  heap.malloc(16);
  heap.free(a);
  const Stats sum = recount(heap);
  EXPECT_GT(sum.available, sum.largest_free);
  EXPECT_DOUBLE_EQ(heap.stats().external_fragmentation(),
                   1 - static_cast<double>(sum.largest_free) / static_cast<double>(sum.available));
  while (!heap.free_list().empty()) heap.malloc(recount(heap).largest_free);
  EXPECT_EQ(heap.stats().external_fragmentation(), 0);
}

}  // namespace
}  // namespace glassheap
