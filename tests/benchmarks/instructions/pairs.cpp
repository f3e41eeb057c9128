// pairs.cpp: pairs of malloc and free, for compare.py, which counts their instructions.
//
//     glassheap-pairs POLICY lifo N    N times: malloc(64), and free of that block
//     glassheap-pairs POLICY churn N   1,000 live blocks of 16 to 512 bytes; N times: free of a
//                                      random one, and malloc of a new one
//     glassheap-pairs                  prints the compiler, the build type and the processor
//
// Everything but the pairs is the same for every N: the difference between the instructions of two
// runs is that of the pairs alone. All numbers are drawn before the pairs, with a fixed seed and
// without a distribution, so every C++ library draws the same.

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string_view>
#include <vector>

#include "glassheap/heap.hpp"

namespace {

using namespace glassheap;

constexpr std::size_t live = 1000;
constexpr std::size_t drawn = 32768;

[[noreturn]] void give_up(const Fault& fault) {
  std::fprintf(stderr, "glassheap-pairs: %s\n", sentence(fault).c_str());
  std::exit(1);
}

class Pairs {
 public:
  explicit Pairs(std::string_view policy) {
    options_.size = 1 << 20;
    options_.policy = policy;
    heap_ = Heap::open(options_, fault_);
    if (heap_ == nullptr) give_up(fault_);
  }

  void lifo(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) free(malloc(64));
  }

  void churn(std::size_t count) {
    for (Address& block : blocks_) block = malloc(size());
    for (Step& step : steps_) step = {random_() % live, size()};
    for (std::size_t i = 0; i < count; ++i) {
      const Step step = steps_[i % drawn];
      free(blocks_[step.block]);
      blocks_[step.block] = malloc(step.size);
    }
  }

 private:
  struct Step {
    std::size_t block;
    Size size;
  };

  Size size() { return 16 + random_() % 497; }

  Address malloc(Size size) {
    const Address block = heap_->malloc(size, granule_size, fault_);
    if (block == 0) give_up(fault_);
    return block;
  }

  void free(Address block) {
    if (!heap_->free(block, fault_)) give_up(fault_);
  }

  std::mt19937_64 random_{1};
  std::array<Address, live> blocks_{};
  std::vector<Step> steps_{drawn};
  Options options_;
  Fault fault_;
  std::unique_ptr<Heap> heap_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return std::puts(PAIRS_BUILD) < 0 ? 1 : 0;
  Pairs pairs(arguments[1]);
  const auto wanted = static_cast<std::size_t>(std::strtoull(arguments[3], nullptr, 10));
  if (arguments[2] == std::string_view("lifo")) {
    pairs.lifo(wanted);
  } else {
    pairs.churn(wanted);
  }
}
