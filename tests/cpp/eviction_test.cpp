// Heap::cheapest: equal to brute force on random small heaps of every kind. For each subset of the live
// blocks the test makes the heap anew, frees the subset, and makes the request.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "every_policy.hpp"
#include "heap/window_sum.hpp"
#include "limits.hpp"

namespace glassheap {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// A random small heap, which can be made again and again; a request; and prices.
class Scene {
 public:
  Scene(const Options& options, unsigned seed) : random_(seed) {
    Options sized = options;
    sized.base = 0;
    sized.size = 256 + 16 * (draw() % 64);
    Fault fault;
    heap_ = Heap::open(sized, fault);
    for (int i = 0; i < 40; ++i) steps_.push_back({draw() % 3, draw(), align(), draw()});
    build();
    size_ = draw() % (sized.size / (1 + draw() % 8));
    align_ = align();
    constexpr double some[] = {0, 1, 2, 3, 5, 0.5, 1024, infinity};
    for (std::size_t i = 0; i < live_.size(); ++i) prices_.push_back(some[draw() % 8]);
  }

  // Makes the heap anew.
  void build() {
    Fault fault;
    heap_->reset(fault);
    live_.clear();
    for (const Step& step : steps_) run(step);
    std::ranges::sort(live_);
  }
  [[nodiscard]] std::size_t blocks() const { return live_.size(); }

  [[nodiscard]] std::optional<Eviction> cheapest() {
    Fault fault;
    const auto price = [this](std::span<const BlockInfo> live) {
      EXPECT_EQ(live.size(), live_.size());
      return prices_;
    };
    auto eviction = heap_->cheapest(size_, align_, price, fault);
    EXPECT_FALSE(fault);
    return eviction;
  }

  // Frees the blocks of a subset in the order of their addresses.
  void free(unsigned subset) {
    for (std::size_t i = 0; i < live_.size(); ++i) {
      if ((subset >> i & 1U) == 0) continue;
      Fault fault;
      EXPECT_TRUE(heap_->free(live_[i], fault)) << sentence(fault);
    }
  }
  [[nodiscard]] double price(unsigned subset) const {
    double sum = 0;
    for (std::size_t i = 0; i < live_.size(); ++i)
      if ((subset >> i & 1U) != 0) sum += prices_[i];
    return sum;
  }
  [[nodiscard]] bool is_served() {
    Fault fault;
    return heap_->malloc(size_, align_, fault) != 0;
  }
  // True if the blocks of a subset, which was freed, lie in one free block, in which the request fits.
  [[nodiscard]] bool is_hole(unsigned subset) {
    Fault fault;
    for (const BlockInfo& block : heap_->walk(fault)) {
      if (!block.live && contains(block, subset) && fits(block)) return true;
    }
    return false;
  }
  // True if a free block offers so many bytes at this address.
  [[nodiscard]] bool has(Address address, Size size) {
    Fault fault;
    return std::ranges::any_of(heap_->walk(fault), [&](const BlockInfo& block) {
      return !block.live && block.address == address && block.size == size;
    });
  }
  [[nodiscard]] unsigned subset_of(const Eviction& eviction) const {
    unsigned subset = 0;
    for (const BlockInfo& block : eviction.blocks) {
      const auto at = std::ranges::find(live_, block.address);
      EXPECT_NE(at, live_.end());
      subset |= 1U << (at - live_.begin());
    }
    return subset;
  }

 private:
  unsigned draw() { return static_cast<unsigned>(random_()); }

  struct Step {
    unsigned kind;
    unsigned size;
    Size align;
    unsigned victim;
  };

  Size align() {
    constexpr Size all[] = {16, 16, 16, 32, 64, 128};
    return std::min(all[draw() % 6], heap_->align_limit());
  }
  void run(const Step& step) {
    Fault fault;
    if (step.kind != 0 || live_.empty()) {
      constexpr std::size_t most = 8;
      const Size size = step.size % (heap_->size() / 4);
      const Address payload = live_.size() == most ? 0 : heap_->malloc(size, step.align, fault);
      if (payload != 0) live_.push_back(payload);
    } else {
      const auto victim = live_.begin() + step.victim % live_.size();
      EXPECT_TRUE(heap_->free(*victim, fault));
      live_.erase(victim);
    }
  }
  [[nodiscard]] bool contains(const BlockInfo& hole, unsigned subset) const {
    for (std::size_t i = 0; i < live_.size(); ++i) {
      const Address start = live_[i] - front_of(heap_->options());
      const bool inside = start >= hole.start && start < hole.start + hole.extent;
      if ((subset >> i & 1U) != 0 && !inside) return false;
    }
    return true;
  }
  [[nodiscard]] bool fits(const BlockInfo& hole) const {
    const Address payload = (hole.address + align_ - 1) / align_ * align_;
    const Size around = hole.address - hole.start;
    return payload - around + extent_of(heap_->options(), size_) <= hole.start + hole.extent;
  }

  std::mt19937 random_;
  std::unique_ptr<Heap> heap_;
  std::vector<Step> steps_;
  std::vector<Address> live_;
  Size size_ = 0;
  Size align_ = granule_size;
  std::vector<double> prices_;
};

// True if a set of blocks makes one hole whatever else is free: the list is by address, or unused.
bool merges_by_address(const Options& options) {
  return !options.coalesce.value_or(true) ||
         options.order.value_or(Order::address) == Order::address;
}

// True if free blocks may touch until a request needs them joined.
bool joins_late(const Options& options) {
  return options.quarantine != 0 || defers_coalescing(options);
}

// The least cost over all subsets whose release lets the request succeed; infinity if there is none.
double brute_force(Scene& scene, const Options& options) {
  double least = infinity;
  for (unsigned subset = 0; subset < 1U << scene.blocks(); ++subset) {
    if (!(scene.price(subset) < least)) continue;
    scene.build();
    scene.free(subset);
    if (merges_by_address(options) ? scene.is_served() : scene.is_hole(subset))
      least = scene.price(subset);
  }
  scene.build();
  return least;
}

// The numbers of a window that moves at random, as a plain loop adds them up.
TEST(WindowSum, IsThatOfALoop) {
  constexpr std::size_t count = 200;
  std::mt19937 random(1);
  std::vector<double> numbers(count);
  for (double& number : numbers)
    number = random() % 4 == 0 ? infinity : static_cast<double>(random() % 100);
  WindowSum window(count, [&](std::size_t i) { return numbers[i]; });
  while (window.end() < count) {
    if (random() % 2 == 0 && window.first() < window.end()) {
      window.move_first();
    } else {
      window.move_end();
    }
    double sum = 0;
    for (std::size_t i = window.first(); i < window.end(); ++i) sum += numbers[i];
    EXPECT_EQ(window.sum(), sum);
  }
}

// Buddies have the most cases: a block that was aligned starts where no block of its size may.
unsigned scenes(const Options& options) {
  return static_cast<unsigned>(options.policy == "buddy" ? scaled(600, 200) : scaled(60, 20));
}

class CheapestOf : public EveryPolicy {};

TEST_P(CheapestOf, IsEqualToBruteForce) {
  for (unsigned seed = 0; seed < scenes(GetParam().options); ++seed) {
    SCOPED_TRACE(seed);
    Scene scene(GetParam().options, seed);
    const double least = brute_force(scene, GetParam().options);
    const std::optional<Eviction> found = scene.cheapest();
    ASSERT_EQ(found.has_value(), least < infinity);
    if (!found) continue;
    EXPECT_EQ(found->cost, least);
    const unsigned subset = scene.subset_of(*found);
    EXPECT_EQ(scene.price(subset), least);
    scene.free(subset);
    EXPECT_TRUE(joins_late(GetParam().options) || scene.has(found->address, found->size));
    EXPECT_TRUE(scene.is_served());
  }
}

// Blocks of 16 bytes, which must stay, and one of 64 among them, from 112 bytes on: it is aligned
// behind an unused granule. Of its places for buddies of 32 bytes, only one is not in others too.
TEST(CheapestBuddy, MayBeInTheMiddleOfABlock) {
  Options options = based(sized(1024), 0);
  options.policy = "buddy";
  options.headers = false;
  Fault fault;
  const std::unique_ptr<Heap> heap = Heap::open(options, fault);
  const Address large = heap->malloc(64, 128, fault);
  while (heap->malloc(16, 16, fault) != 0) continue;
  fault = {};
  const auto price = [&](std::span<const BlockInfo> live) {
    std::vector<double> prices;
    for (const BlockInfo& block : live) prices.push_back(block.address == large ? 1 : infinity);
    return prices;
  };
  const std::optional<Eviction> found = heap->cheapest(32, 16, price, fault);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->blocks.size(), 1);
  EXPECT_EQ(found->address, large + 16);
  EXPECT_EQ(found->size, 32);
}

std::vector<Variant> every_kind() {
  std::vector<Variant> all = all_variants();
  for (std::vector<Variant> some : {debug_variants(), cached_variants(), sequential_fit_variants()})
    all.insert(all.end(), some.begin(), some.end());
  for (Variant variant : debug_variants()) {
    variant.name += "_quarantine";
    variant.options.quarantine = 300;
    all.push_back(variant);
  }
  std::ranges::sort(all, {}, &Variant::name);
  const auto same = std::ranges::unique(all, {}, &Variant::name);
  all.erase(same.begin(), same.end());
  return all;
}

INSTANTIATE_TEST_SUITE_P(Kinds, CheapestOf, ::testing::ValuesIn(every_kind()), by_name);

}  // namespace
}  // namespace glassheap
