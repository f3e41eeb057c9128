// Long random runs against the model, from a region that holds three granules to one of a mebibyte.
// The seeds are fixed: a failure can be run again.

#include <gtest/gtest.h>

#include <random>

#include "effort.hpp"
#include "model.hpp"
#include "rig.hpp"

namespace glassheap {
namespace {

struct Scenario {
  Size region;
  unsigned seed;
  int steps;    // operations in all
  int compare;  // after how many of them heap and model are compared
};

void PrintTo(const Scenario& run, std::ostream* out) {
  *out << run.region << " bytes, seed " << run.seed;
}

class RandomRun : public ::testing::TestWithParam<Scenario> {
 protected:
  RandomRun() : model_(GetParam().region, rig_->address()) {}

  void step() {
    const unsigned choice = random_() % 8;
    if (live_.empty() || choice < 4) {
      allocate(choice == 0 ? Size{16} << random_() % 4 : 16);
    } else if (const std::size_t i = random_() % live_.size(); choice < 6) {
      release(i);
    } else {
      resize(i);
    }
  }

 private:
  // Mostly small sizes, now and then up to a quarter of the region, and rarely more than it has.
  Size any_size() {
    const unsigned choice = random_() % 64;
    if (choice == 0) return random_() % (2 * GetParam().region);
    return random_() %
           (choice < 8 ? GetParam().region / 4 : std::min(GetParam().region, Size{400}));
  }

  void allocate(Size align) {
    align = std::min(align, std::max(Size{16}, std::bit_floor(GetParam().region / 4)));
    const Size size = any_size();
    Fault fault;
    const Address got = rig_->malloc(size, align, fault);
    expect_same(got, model_.malloc(size, align));
    if (got != 0) live_.push_back(got - rig_->base());
  }

  void release(std::size_t i) {
    rig_.free(rig_->base() + live_[i]);
    model_.free(live_[i]);
    live_[i] = live_.back();
    live_.pop_back();
  }

  void resize(std::size_t i) {
    const Size size = any_size();
    Fault fault;
    const Address got = rig_->realloc(rig_->base() + live_[i], size, 16, fault);
    expect_same(got, model_.realloc(live_[i], size));
    if (got != 0) live_[i] = got - rig_->base();
  }

  void expect_same(Address got, std::optional<Offset> expected) {
    ASSERT_EQ(got, expected ? rig_->base() + *expected : 0);
  }

 protected:
  Rig rig_{sized(GetParam().region)};
  Model model_;
  std::mt19937 random_{GetParam().seed};
  std::vector<Offset> live_;
};

TEST_P(RandomRun, IsAsTheModelHasIt) {
  const Scenario& run = GetParam();
  for (int i = 0; i < effort(run.steps, run.steps / 10); ++i) {
    step();
    ASSERT_FALSE(HasFatalFailure()) << "at step " << i;
    if (i % run.compare != 0) continue;
    ASSERT_EQ(difference(*rig_, model_), "") << "at step " << i;
  }
  for (const Offset payload : live_) rig_.free(rig_->base() + payload);
  EXPECT_EQ(rig_.free_list(), (std::vector<FreeBlock>{{rig_->base(), rig_->size() - 16}}));
  EXPECT_TRUE(rig_.check().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Regions, RandomRun,
    ::testing::Values(Scenario{16, 1, 10000, 1}, Scenario{48, 2, 50000, 1},
                      Scenario{96, 3, 100000, 1}, Scenario{192, 4, 200000, 1},
                      Scenario{192, 5, 200000, 1}, Scenario{1024, 6, 100000, 1},
                      Scenario{1040, 7, 100000, 1}, Scenario{4096, 8, 50000, 1},
                      Scenario{65536, 9, 20000, 10}, Scenario{65536, 10, 20000, 10},
                      Scenario{Size{1} << 20, 11, 30000, 100}));

}  // namespace
}  // namespace glassheap
