// Each workload makes the documented calls, on a heap that checks them.

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "measure.hpp"
#include "utilisation.hpp"

namespace bench {
namespace {

// Counts its calls and blocks, refuses beyond a limit, and detects every wrong call.
class CheckedHeap {
 public:
  explicit CheckedHeap(Size limit = 1 << 30) : limit_(limit) {}

  void* allocate(Size size) {
    ++calls;
    if (live() + taken(size) > limit_) return nullptr;
    auto bytes = std::make_unique<char[]>(size + 1);
    void* const at = bytes.get();
    blocks_.emplace(at, Entry{std::move(bytes), size});
    peak = std::max(peak, live());
    return at;
  }

  void* reallocate(void* block, Size size, Size wanted) {
    release(block, size);
    return allocate(wanted);
  }

  void release(void* block, Size size) {
    ++calls;
    ASSERT_TRUE(blocks_.contains(block));
    EXPECT_EQ(blocks_.at(block).size, size);
    blocks_.erase(block);
  }

  [[nodiscard]] Size live() const {
    Size sum = 0;
    for (const auto& [at, entry] : blocks_) sum += taken(entry.size);
    return sum;
  }
  [[nodiscard]] std::size_t count() const { return blocks_.size(); }

  std::uint64_t calls = 0;
  Size peak = 0;

 private:
  struct Entry {
    std::unique_ptr<char[]> bytes;
    Size size;
  };
  std::map<void*, Entry> blocks_;
  Size limit_;
};

TraceWorkload small_trace() {
  return TraceWorkload(parse_script("a 1 100\na 2 0\nr 1 200\nf 2\na 3 8\n"));
}

TEST(TracePlay, IsACycleThatEndsWithAnEmptyHeap) {
  TraceWorkload workload = small_trace();
  CheckedHeap heap;
  for (int cycle = 0; cycle < 3; ++cycle) {
    EXPECT_EQ(workload.play(heap, 1000), workload.cycle_steps());
    EXPECT_EQ(heap.count(), 0U);
  }
  EXPECT_EQ(heap.peak, workload.peak_bytes());
}

TEST(TracePlay, ContinuesWhereItStopped) {
  TraceWorkload workload = small_trace();
  CheckedHeap heap;
  EXPECT_EQ(workload.play(heap, 2), 2U);
  EXPECT_EQ(heap.count(), 2U);
  EXPECT_EQ(workload.play(heap, 1000), workload.cycle_steps() - 2);
  EXPECT_EQ(heap.count(), 0U);
}

TEST(TracePlay, StopsWhereTheHeapRefuses) {
  TraceWorkload workload = small_trace();
  CheckedHeap heap(150);
  EXPECT_EQ(workload.play(heap, 1000), 0U);
}

TEST(ChurnPlay, KeepsTheNumberOfLiveBlocks) {
  for (const Sizes sizes : {Sizes::uniform, Sizes::log_normal}) {
    ChurnWorkload workload(50, sizes);
    CheckedHeap heap;
    ASSERT_TRUE(workload.fill(heap));
    const std::uint64_t before = heap.calls;
    EXPECT_EQ(workload.play(heap, 500), 500U);
    EXPECT_EQ(heap.calls, before + 1000);  // a free and a malloc each
    EXPECT_EQ(heap.count(), 50U);
    EXPECT_LE(heap.peak, workload.peak_bytes());
  }
}

TEST(ChurnScript, IsTheSameEveryTime) {
  const ChurnScript one = draw_churn(100, Sizes::log_normal);
  const ChurnScript two = draw_churn(100, Sizes::log_normal);
  EXPECT_EQ(one.first_sizes, two.first_sizes);
  EXPECT_EQ(one.peak_taken, two.peak_taken);
}

TEST(ChurnScript, CoversTheUniformSizes) {
  std::vector<unsigned> sizes(1000);
  for (const Replacement& replacement : draw_churn(100, Sizes::uniform).ring) {
    ASSERT_LT(replacement.block, 100U);
    ++sizes.at(replacement.size);
  }
  const auto drawn = [](unsigned times) { return times > 0; };
  EXPECT_EQ(std::ranges::count_if(sizes, drawn), 512 - 16 + 1);
  EXPECT_GT(sizes[16], 0U);
  EXPECT_GT(sizes[512], 0U);
}

TEST(ChurnScript, IsLogNormalAroundItsMedian) {
  std::vector<std::uint32_t> sizes;
  for (const Replacement& replacement : draw_churn(100, Sizes::log_normal).ring)
    sizes.push_back(replacement.size);
  std::ranges::sort(sizes);
  EXPECT_NEAR(sizes[sizes.size() / 2], 64, 1);
  // One sigma above: 64 times e^1.5.
  EXPECT_NEAR(sizes[sizes.size() * 8413 / 10000], 287, 6);
  EXPECT_GE(sizes.front(), 1U);
  EXPECT_LE(sizes.back(), 65536U);
}

TEST(LifoPlay, FreesWhatItAllocates) {
  LifoWorkload workload;
  CheckedHeap heap;
  EXPECT_EQ(workload.play(heap, 100), 100U);
  EXPECT_EQ(heap.calls, 200U);
  EXPECT_EQ(heap.count(), 0U);
}

// --- Measuring. --------------------------------------------------------------------------------

constexpr Limits short_limits{.seconds = 1e-4, .settling_timeout = 10};

TEST(Measurement, AHeapThatRefusesHasNoFigure) {
  Workload workload = LifoWorkload();
  CheckedHeap heap(0);
  EXPECT_EQ(measure(heap, workload, short_limits).verdict, Verdict::refused);
}

TEST(Measurement, AHeapThatSettledHasAFigure) {
  Workload workload = small_trace();
  CheckedHeap heap;
  const Outcome outcome = measure(heap, workload, short_limits);
  EXPECT_EQ(outcome.verdict, Verdict::measured);
  EXPECT_GT(outcome.nanoseconds, 0);
}

TEST(Measurement, WithoutTimeToSettleNothingSettles) {
  Workload workload = ChurnWorkload(1000, Sizes::uniform);
  CheckedHeap heap;
  EXPECT_EQ(measure(heap, workload, {.seconds = 1e-4, .settling_timeout = 0}).verdict,
            Verdict::unsettled);
}

// The trace is longer than one slice, after which the clock is read.
TEST(Measurement, ATraceIsPlayedInWholeCycles) {
  std::string script;
  for (int i = 0; i < 1000; ++i) script += "a " + std::to_string(i) + " 8\n";
  TraceWorkload workload(parse_script(script));
  CheckedHeap heap;
  static_cast<void>(measure(heap, workload, {.seconds = 1e-9, .settling_timeout = 10}));
  EXPECT_EQ(heap.count(), 0U);
}

TEST(Workloads, AreMadeByName) {
  EXPECT_TRUE(std::holds_alternative<LifoWorkload>(make_workload("lifo")));
  EXPECT_EQ(std::get<ChurnWorkload>(make_workload("churn:uniform:40")).warmup_steps(), 80U);
  EXPECT_EQ(std::get<ChurnWorkload>(make_workload("churn:log-normal:40")).warmup_steps(), 80U);
  EXPECT_THROW(make_workload("churn:40"), std::runtime_error);
}

// --- The smallest region. ----------------------------------------------------------------------

TEST(SmallestServing, IsFoundByBisection) {
  EXPECT_EQ(smallest_serving(100, 16, [](Size size) { return size >= 5000; }), 5008U);
  EXPECT_EQ(smallest_serving(6000, 16, [](Size) { return true; }), 16U);
}

// 4,800 serves, but no size from there to 5,008: a bisection alone would not find it.
TEST(SmallestServing, IsAlsoSearchedBelowTheFirstResult) {
  const auto serves = [](Size size) { return size >= 5008 || size == 4800; };
  EXPECT_EQ(smallest_serving(100, 16, serves), 4800U);
}

// Two blocks of 100 bytes at once: 2 * (16 + 112), found to the granule.
TEST(SmallestRegion, IsTheSizeOfTheBlocks) {
  TraceWorkload workload(parse_script("a 1 100\na 2 100\nf 1\nf 2\n"));
  EXPECT_EQ(smallest_region(workload, "first_fit", true).region, 256U);
}

// A hole of 128 bytes, into which no later block fits, adds to the region.
TEST(SmallestRegion, IncludesTheHoles) {
  TraceWorkload workload(parse_script("a 1 100\na 2 16\nf 1\na 3 200\nf 2\nf 3\n"));
  EXPECT_EQ(smallest_region(workload, "first_fit", true).region, 128U + 32U + 224U);
}

}  // namespace
}  // namespace bench
