// The quarantine: freed blocks wait, unused and watched, and leave in the order in which they came.
// tests/python/test_quarantine.py has its reports and its messages.

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <map>
#include <random>

#include "base/config.hpp"
#include "every_policy.hpp"

namespace glassheap {
namespace {

class WithQuarantine : public EveryPolicy {
 protected:
  [[nodiscard]] std::unique_ptr<Heap> heap(Size quarantine) const {
    Options wanted = options(Size{1} << 16);
    wanted.quarantine = quarantine;
    Fault fault;
    return Heap::open(wanted, fault);
  }
};
GLASSHEAP_FOR_VARIANTS(WithQuarantine, debug_variants());

std::byte* at(const Heap& heap, Address payload) {
  return std::bit_cast<std::byte*>(payload - heap.base() + heap.address());
}

// A program in a build with AddressSanitizer is stopped at the instruction.
TEST_P(WithQuarantine, APayloadThatWaitsIsPoisoned) {
  const std::unique_ptr<Heap> one = heap(1 << 12);
  Fault fault;
  const Address payload = one->malloc(64, granule_size, fault);
  std::memset(at(*one, payload), 1, 64);
  ASSERT_TRUE(one->free(payload, fault));
#ifdef __SANITIZE_ADDRESS__
  EXPECT_TRUE(__asan_address_is_poisoned(at(*one, payload)));
#endif
}

// Random calls, each of which leaves its live blocks with a mark in every byte.
class Churn {
 public:
  explicit Churn(Heap& heap) : heap_(heap) {}

  void step() {
    if (live_.empty() || random_() % 2 != 0) return keep(heap_.malloc(size(), 16, fault_));
    const auto block = std::next(live_.begin(), random_() % std::ssize(live_));
    const Address payload = block->first;
    for (Size i = 0; i < block->second; ++i) EXPECT_EQ(at(heap_, payload)[i], mark(payload));
    live_.erase(block);
    const Address moved = random_() % 3 == 0 ? heap_.realloc(payload, size(), 16, fault_) : 0;
    return moved != 0 ? keep(moved) : free(payload);
  }
  void free_all() {
    for (; !live_.empty(); live_.erase(live_.begin())) free(live_.begin()->first);
  }
  [[nodiscard]] Size live() const { return live_.size(); }

 private:
  [[nodiscard]] Size size() { return wanted_ = random_() % 700; }
  [[nodiscard]] static std::byte mark(Address payload) {
    return static_cast<std::byte>(payload / granule_size);
  }
  void keep(Address payload) {
    if (payload == 0) return;
    EXPECT_TRUE(live_.emplace(payload, wanted_).second);
    std::memset(at(heap_, payload), std::to_integer<int>(mark(payload)), wanted_);
  }
  void free(Address payload) {
    Fault fault;
    EXPECT_TRUE(heap_.free(payload, fault));
    EXPECT_FALSE(heap_.contains(payload, fault));
  }

  Heap& heap_;
  std::mt19937 random_{1};
  std::map<Address, Size> live_;
  Size wanted_ = 0;
  Fault fault_;
};

// The heap stays sound; in the end every block is free, and no memory is lost.
TEST_P(WithQuarantine, NoLiveBlockIsTouchedByWhatWaitsAndLeaves) {
  const std::unique_ptr<Heap> one = heap(1 << 13);
  Fault fault;
  const Size whole = one->largest_free(fault);
  Churn churn(*one);
  for (int step = 0; step < 1500; ++step) churn.step();
  EXPECT_TRUE(one->check(fault).empty());
  EXPECT_EQ(one->live_blocks(fault), churn.live());
  churn.free_all();
  EXPECT_EQ(one->stats(fault).requested, 0U);
  EXPECT_NE(one->malloc(whole, granule_size, fault), 0U);
  EXPECT_EQ(one->stats(fault).quarantined, 0U);
}

}  // namespace
}  // namespace glassheap
