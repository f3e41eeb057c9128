// A load plays what it says, on heaps that watch it.

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "measure.hpp"
#include "utilisation.hpp"

namespace bench {
namespace {

// Keeps account of what it is asked for, refuses beyond a limit, and finds every mistake.
class WatchedHeap {
 public:
  explicit WatchedHeap(Size limit = 1 << 30) : limit_(limit) {}

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

TraceLoad small_trace() { return TraceLoad(parse_script("a 1 100\na 2 0\nr 1 200\nf 2\na 3 8\n")); }

TEST(TracePlayed, IsACircleThatEndsWithAnEmptyHeap) {
  TraceLoad load = small_trace();
  WatchedHeap heap;
  for (int circle = 0; circle < 3; ++circle) {
    EXPECT_EQ(load.play(heap, 1000), load.whole());
    EXPECT_EQ(heap.count(), 0U);
  }
  EXPECT_EQ(heap.peak, load.demand());
}

TEST(TracePlayed, GoesOnWhereItStopped) {
  TraceLoad load = small_trace();
  WatchedHeap heap;
  EXPECT_EQ(load.play(heap, 2), 2U);
  EXPECT_EQ(heap.count(), 2U);
  EXPECT_EQ(load.play(heap, 1000), load.whole() - 2);
  EXPECT_EQ(heap.count(), 0U);
}

TEST(TracePlayed, StopsWhereTheHeapRefuses) {
  TraceLoad load = small_trace();
  WatchedHeap heap(150);
  EXPECT_EQ(load.play(heap, 1000), 0U);
}

TEST(ChurnPlayed, KeepsAsManyBlocksAsItSays) {
  for (const Sizes sizes : {Sizes::uniform, Sizes::log_normal}) {
    ChurnLoad load(50, sizes);
    WatchedHeap heap;
    ASSERT_TRUE(load.fill(heap));
    const std::uint64_t before = heap.calls;
    EXPECT_EQ(load.play(heap, 500), 500U);
    EXPECT_EQ(heap.calls, before + 1000);  // a free and a malloc each
    EXPECT_EQ(heap.count(), 50U);
    EXPECT_LE(heap.peak, load.demand());
  }
}

TEST(ChoicesDrawn, AreTheSameEveryTime) {
  const Choices one = draw(100, Sizes::log_normal);
  const Choices two = draw(100, Sizes::log_normal);
  EXPECT_EQ(one.first_sizes, two.first_sizes);
  EXPECT_EQ(one.peak_taken, two.peak_taken);
}

TEST(ChoicesDrawn, AreOfTheSizesThatTheySay) {
  std::vector<unsigned> sizes(1000);
  for (const Choice& choice : draw(100, Sizes::uniform).circle) {
    ASSERT_LT(choice.block, 100U);
    ++sizes.at(choice.size);
  }
  const auto drawn = [](unsigned times) { return times > 0; };
  EXPECT_EQ(std::ranges::count_if(sizes, drawn), 512 - 16 + 1);
  EXPECT_GT(sizes[16], 0U);
  EXPECT_GT(sizes[512], 0U);
}

TEST(ChoicesDrawn, AreLogNormalAboutTheirMedian) {
  std::vector<std::uint32_t> sizes;
  for (const Choice& choice : draw(100, Sizes::log_normal).circle) sizes.push_back(choice.size);
  std::ranges::sort(sizes);
  EXPECT_NEAR(sizes[sizes.size() / 2], 64, 1);
  // One sigma above: 64 times e^1.5.
  EXPECT_NEAR(sizes[sizes.size() * 8413 / 10000], 287, 6);
  EXPECT_GE(sizes.front(), 1U);
  EXPECT_LE(sizes.back(), 65536U);
}

TEST(LifoPlayed, FreesWhatItAllocates) {
  LifoLoad load;
  WatchedHeap heap;
  EXPECT_EQ(load.play(heap, 100), 100U);
  EXPECT_EQ(heap.calls, 200U);
  EXPECT_EQ(heap.count(), 0U);
}

// --- Measured. ---------------------------------------------------------------------------------

constexpr Limits short_limits{.seconds = 1e-4, .patience = 10};

TEST(Measured, AHeapThatRefusesHasNoFigure) {
  Load load = LifoLoad();
  WatchedHeap heap(0);
  EXPECT_EQ(measure(heap, load, short_limits).verdict, Verdict::refused);
}

TEST(Measured, AHeapThatSettledHasAFigure) {
  Load load = small_trace();
  WatchedHeap heap;
  const Outcome outcome = measure(heap, load, short_limits);
  EXPECT_EQ(outcome.verdict, Verdict::measured);
  EXPECT_GT(outcome.nanoseconds, 0);
}

TEST(Measured, WithoutPatienceNothingSettles) {
  Load load = ChurnLoad(1000, Sizes::uniform);
  WatchedHeap heap;
  EXPECT_EQ(measure(heap, load, {.seconds = 1e-4, .patience = 0}).verdict, Verdict::unsettled);
}

// The trace is longer than what is played between two looks at the clock.
TEST(Measured, ATraceIsPlayedInWholeCircles) {
  std::string script;
  for (int i = 0; i < 1000; ++i) script += "a " + std::to_string(i) + " 8\n";
  TraceLoad load(parse_script(script));
  WatchedHeap heap;
  static_cast<void>(measure(heap, load, {.seconds = 1e-9, .patience = 10}));
  EXPECT_EQ(heap.count(), 0U);
}

TEST(Loads, AreMadeByName) {
  EXPECT_TRUE(std::holds_alternative<LifoLoad>(make_load("lifo")));
  EXPECT_EQ(std::get<ChurnLoad>(make_load("churn:uniform:40")).settling(), 80U);
  EXPECT_EQ(std::get<ChurnLoad>(make_load("churn:log-normal:40")).settling(), 80U);
  EXPECT_THROW(make_load("churn:40"), std::runtime_error);
}

// --- The smallest region. ----------------------------------------------------------------------

TEST(SmallestServing, IsFoundInHalves) {
  EXPECT_EQ(smallest_serving(100, 16, [](Size size) { return size >= 5000; }), 5008U);
  EXPECT_EQ(smallest_serving(6000, 16, [](Size) { return true; }), 16U);
}

// 4,800 serves, nothing from there to 5,008 does: halves alone would not see it.
TEST(SmallestServing, IsLookedForBelowWhatWasFound) {
  const auto serves = [](Size size) { return size >= 5008 || size == 4800; };
  EXPECT_EQ(smallest_serving(100, 16, serves), 4800U);
}

// Two blocks of 100 bytes at once: 2 * (16 + 112), found to the granule.
TEST(SmallestRegion, IsWhatTheBlocksTake) {
  TraceLoad load(parse_script("a 1 100\na 2 100\nf 1\nf 2\n"));
  EXPECT_EQ(smallest_region(load, "first_fit", true).region, 256U);
}

// A hole of 128 bytes that none of the later blocks fits in has to be paid for.
TEST(SmallestRegion, CountsTheHoles) {
  TraceLoad load(parse_script("a 1 100\na 2 16\nf 1\na 3 200\nf 2\nf 3\n"));
  EXPECT_EQ(smallest_region(load, "first_fit", true).region, 128U + 32U + 224U);
}

}  // namespace
}  // namespace bench
