// Long random runs against the model: of malloc, free and realloc in regions from three granules to
// 64 MiB, and of every call in small ones. The seeds are fixed, so a failure can be reproduced.

#include <gtest/gtest.h>

#include <random>

#include "every_policy.hpp"
#include "limits.hpp"
#include "session.hpp"

namespace glassheap {
namespace {

struct Scenario {
  Size region;
  Size largest;  // the largest of the large requests
  int steps;     // the number of operations
  int every;     // operations between two comparisons of the whole heap
};

// In small regions everything is compared after each step; in large ones a comparison takes longer
// than the steps themselves.
constexpr Scenario scenarios[] = {
    {48, 12, 4000, 1},
    {192, 48, 20000, 1},
    {1024, 256, 20000, 2},
    {1040, 260, 20000, 2},
    {4096, 1024, 20000, 10},
    {65536, 16384, 8000, 200},
    {Size{1} << 20, Size{1} << 18, 4000, 1000},
    {Size{8} << 20, 3000, 10000, 5000},
    {Size{64} << 20, Size{16} << 20, 8000, 4000},
};

// A program that allocates, frees and resizes at random. Its sizes are mostly small, sometimes
// large, and rarely larger than the region.
class Program {
 public:
  Program(const Options& options, const Scenario& scenario, unsigned seed)
      : heap_(options), scenario_(scenario), random_(seed) {}

  void run(int steps) {
    for (int i = 1; i <= steps; ++i) {
      step();
      if (i % scenario_.every == 0) heap_.inspect();
    }
    while (!live_.empty()) {
      heap_.free(live_.back());
      live_.pop_back();
    }
    heap_.inspect();
  }

 private:
  void step() {
    const unsigned choice = random_() % 8;
    if (live_.empty() || choice < 4) {
      const Address payload = heap_.malloc(any_size(), choice == 0 ? any_align() : 16);
      if (payload != 0) live_.push_back(payload);
    } else if (Address& payload = live_[random_() % live_.size()]; choice < 6) {
      heap_.free(payload);
      payload = live_.back();
      live_.pop_back();
    } else if (const Address moved = heap_.realloc(payload, any_size()); moved != 0) {
      payload = moved;
    }
  }
  Size any_size() {
    const unsigned choice = random_() % 64;
    if (choice == 0) return random_() % (2 * scenario_.region);
    return random_() % (choice < 8 ? scenario_.largest : std::min(scenario_.region, Size{400}));
  }
  Size any_align() {
    return std::min(Size{16} << random_() % 4,
                    std::max(Size{16}, std::bit_floor(scenario_.region / 4)));
  }

  CheckedHeap heap_;
  Scenario scenario_;
  std::mt19937 random_;
  std::vector<Address> live_;
};

class RandomRun : public EveryPolicy {
 protected:
  // Runs every scenario in a region of at most `largest` bytes, with a part of its steps.
  static void run(Size largest, int part) {
    unsigned seed = 0;
    for (const Scenario& scenario : scenarios) {
      if (scenario.region > largest) return;
      Options wanted = options(scenario.region);
      if (++seed % 3 != 0) wanted.base = seed % 3 == 1 ? 0 : 0x12340;
      SCOPED_TRACE(scenario.region);
      Program(wanted, scenario, seed).run(scenario.steps / scaled(part, 50 * part));
    }
  }
};
GLASSHEAP_FOR_EVERY(RandomRun, [](const Options& options) { return !options.order; });
TEST_P(RandomRun, MatchesTheModel) { run(lists_by_address(options()) ? largest_region : 65536, 1); }

class RandomRunOfSequentialFit : public RandomRun {};
GLASSHEAP_FOR_VARIANTS(RandomRunOfSequentialFit, sequential_fit_variants());
TEST_P(RandomRunOfSequentialFit, MatchesTheModel) { run(65536, 10); }

// A correct program never damages a redzone or the fill of free memory.
class RandomRunOfADebugHeap : public RandomRun {};
GLASSHEAP_FOR_VARIANTS(RandomRunOfADebugHeap, debug_variants());
TEST_P(RandomRunOfADebugHeap, MatchesTheModel) { run(65536, 5); }

// Every call, correct and wrong, and writes into the region, in heaps with random options.
class RandomSession : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Policies, RandomSession, ::testing::ValuesIn(policy_names()));

TEST_P(RandomSession, KeepsEveryPromise) {
  for (unsigned seed = 0; seed < static_cast<unsigned>(scaled(2000, 200)); ++seed) {
    std::mt19937 random(seed);
    std::vector<std::uint8_t> input(random() % 600);
    for (std::uint8_t& byte : input) byte = static_cast<std::uint8_t>(random());
    SCOPED_TRACE(seed);
    play(GetParam(), input);
  }
}

}  // namespace
}  // namespace glassheap
