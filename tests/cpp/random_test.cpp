// Long random runs, in regions from three granules to 64 MiB, against the model; or, where the
// policy leaves the addresses open, against the invariants of every policy. The seeds are fixed, so
// a failure can be reproduced.

#include <gtest/gtest.h>

#include <random>

#include "checked_heaps.hpp"
#include "scale.hpp"

namespace glassheap {
namespace {

struct Scenario {
  Size region;
  Size largest;    // the largest of the large requests
  int steps;       // the number of operations
  int list_every;  // operations between two comparisons of the free lists
  int all_every;   // operations between two comparisons of everything
};

// In small regions everything is compared after each step; in large ones a comparison takes longer
// than the steps themselves.
constexpr Scenario scenarios[] = {
    {48, 12, 100000, 1, 1},
    {96, 24, 200000, 1, 1},
    {192, 48, 250000, 1, 1},
    {1024, 256, 200000, 1, 5},
    {1040, 260, 100000, 1, 5},
    {4096, 1024, 100000, 1, 10},
    {65536, 16384, 30000, 10, 100},
    {Size{1} << 20, Size{1} << 18, 30000, 100, 1000},
    {Size{8} << 20, 3000, 30000, 500, 5000},
    {Size{64} << 20, Size{16} << 20, 20000, 500, 5000},
};

// A program that allocates, frees and resizes at random. Its sizes are mostly small, sometimes
// large, and rarely larger than the region.
template <typename Checked>
class Program {
 public:
  Program(Checked& heap, const Scenario& scenario, unsigned seed)
      : heap_(heap), scenario_(scenario), random_(seed) {}

  void step() {
    const unsigned choice = random_() % 8;
    if (live_.empty() || choice < 4) {
      add(heap_.malloc(any_size(), choice == 0 ? any_align() : 16));
    } else if (Address& payload = live_[random_() % live_.size()]; choice < 6) {
      heap_.free(payload);
      payload = live_.back();
      live_.pop_back();
    } else if (const Address moved = heap_.realloc(payload, any_size(), 16); moved != 0) {
      payload = moved;
    }
  }
  void free_all() {
    for (const Address payload : live_) heap_.free(payload);
  }

 private:
  Size any_size() {
    const unsigned choice = random_() % 64;
    if (choice == 0) return random_() % (2 * scenario_.region);
    return random_() % (choice < 8 ? scenario_.largest : std::min(scenario_.region, Size{400}));
  }
  Size any_align() {
    return std::min(Size{16} << random_() % 4,
                    std::max(Size{16}, std::bit_floor(scenario_.region / 4)));
  }
  void add(Address payload) {
    if (payload != 0) live_.push_back(payload);
  }

  Checked& heap_;
  Scenario scenario_;
  std::mt19937 random_;
  std::vector<Address> live_;
};

class RandomRun : public EveryPolicy {
 protected:
  template <typename Checked>
  static void run(const Scenario& scenario, int steps, unsigned seed) {
    Options wanted = options(scenario.region);
    if (seed % 3 != 0) wanted.base = seed % 3 == 1 ? 0 : 0x12340;
    HeapFixture heap(wanted);
    Checked checked(heap);
    Program program(checked, scenario, seed);
    for (int i = 1; i <= steps; ++i) {
      program.step();
      if (i % scenario.all_every == 0) {
        ASSERT_EQ(checked.failure(), "") << "at step " << i << " of " << scenario.region;
      } else if (i % scenario.list_every == 0) {
        ASSERT_EQ(checked.list_failure(), "") << "at step " << i << " of " << scenario.region;
      } else {
        ASSERT_EQ(checked.call_failure(), "") << "at step " << i << " of " << scenario.region;
      }
    }
    program.free_all();
    EXPECT_EQ(checked.failure(), "");
    expect_all_free(heap);
  }
};

class RunsOnAClassicFit : public RandomRun {};
INSTANTIATE_TEST_SUITE_P(Policies, RunsOnAClassicFit,
                         ::testing::ValuesIn(variants([](const Options& o) {
                           return !o.order && lists_by_address(o) && o.policy != "sequential_fit";
                         })),
                         by_name);

class RunsOnSequentialFit : public RandomRun {};
INSTANTIATE_TEST_SUITE_P(SequentialFit, RunsOnSequentialFit,
                         ::testing::ValuesIn(sequential_fit_variants()), by_name);

class RunsOnAnotherPolicy : public RandomRun {};
INSTANTIATE_TEST_SUITE_P(Policies, RunsOnAnotherPolicy,
                         ::testing::ValuesIn(variants([](const Options& options) {
                           return !options.order && !lists_by_address(options);
                         })),
                         by_name);

TEST_P(RunsOnAClassicFit, MatchTheModel) {
  unsigned seed = 0;
  for (const Scenario& scenario : scenarios)
    run<ModelChecked>(scenario, scaled(scenario.steps, scenario.steps / 100), ++seed);
}

TEST_P(RunsOnSequentialFit, MatchTheModel) {
  unsigned seed = 100;
  for (const Scenario& scenario : scenarios) {
    if (scenario.region <= 65536)
      run<ModelChecked>(scenario, scaled(scenario.steps / 20, scenario.steps / 1000), ++seed);
  }
}

TEST_P(RunsOnAnotherPolicy, KeepEveryInvariant) {
  unsigned seed = 200;
  for (const Scenario& scenario : scenarios) {
    if (scenario.region <= 65536)
      run<InvariantChecked>(scenario, scaled(scenario.steps / 5, scenario.steps / 200), ++seed);
  }
}

// A correct program never damages a redzone or the fill of free memory.
class RunsOnADebugHeap : public RandomRun {};
INSTANTIATE_TEST_SUITE_P(Policies, RunsOnADebugHeap, ::testing::ValuesIn(debug_variants()),
                         by_name);

TEST_P(RunsOnADebugHeap, KeepEveryInvariant) {
  unsigned seed = 300;
  for (const Scenario& scenario : scenarios) {
    if (scenario.region <= 65536)
      run<InvariantChecked>(scenario, scaled(scenario.steps / 20, scenario.steps / 500), ++seed);
  }
}

}  // namespace
}  // namespace glassheap
