// threads.cpp: the throughput of one heap that several threads use, with and without a cache for
// each thread.
//
//     glassheap-threads [POLICY [THREADS]]    by default segregated_fit, 2
//
// Both workloads are a churn of live blocks of 16 to 512 bytes:
//
//     own       each thread has 100 blocks of its own
//     passed    all threads have the same 1,000 blocks, so that half of the blocks that one of two
//               threads frees are the other one's
//
// A round lasts a tenth of a second; one and several threads take turns, and the medians of the
// rounds are printed in millions of pairs of malloc and free a second, all threads together.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "glassheap/heap.hpp"

namespace {

using namespace glassheap;

constexpr int rounds = 11;
constexpr std::size_t drawn = 1 << 14;

struct Step {
  std::size_t block;
  Size size;
};

using Blocks = std::vector<std::atomic<Address>>;

std::vector<Step> draw(unsigned seed, std::size_t blocks) {
  std::mt19937 random(seed);
  std::vector<Step> steps(drawn);
  for (Step& step : steps) step = {random() % blocks, 16 + random() % 497};
  return steps;
}

void require_none(const Fault& fault) {
  if (fault) throw std::runtime_error(sentence(fault));
}

// Plays the steps until `done`. Returns the number of pairs.
std::size_t churn(Heap& heap, Blocks& blocks, unsigned seed, const std::atomic<bool>& done) {
  const std::vector<Step> steps = draw(seed, blocks.size());
  std::size_t pairs = 0;
  Fault fault;
  while (!done.load(std::memory_order_relaxed)) {
    for (std::size_t i = 0; i < 64; ++i, ++pairs) {
      const Step step = steps[pairs % drawn];
      const Address fresh = heap.malloc(step.size, granule_size, fault);
      heap.free(blocks[step.block].exchange(fresh), fault);
    }
  }
  require_none(fault);
  return pairs;
}

// Millions of pairs a second.
double measure(Heap& heap, bool passed, unsigned threads) {
  std::atomic<bool> done{false};
  std::atomic<std::size_t> pairs{0};
  std::vector<Blocks> blocks;
  for (unsigned id = 0; id < (passed ? 1 : threads); ++id) blocks.emplace_back(passed ? 1000 : 100);
  const auto begin = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> running;
    for (unsigned id = 0; id < threads; ++id)
      running.emplace_back([&, id] { pairs += churn(heap, blocks[passed ? 0 : id], id, done); });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    done = true;
  }
  const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - begin;
  Fault fault;
  for (const Blocks& some : blocks)
    for (const auto& block : some) heap.free(block, fault);
  require_none(fault);
  return static_cast<double>(pairs) / taken.count();
}

double median(std::vector<double> figures) {
  std::ranges::sort(figures);
  return figures[figures.size() / 2];
}

void compare(const char* policy, bool passed, bool cached, unsigned threads) {
  Options options;
  options.policy = policy;
  options.size = Size{16} << 20;
  options.thread_cache = cached;
  Fault fault;
  const std::unique_ptr<Heap> heap = Heap::open(options, fault);
  if (heap == nullptr) throw std::runtime_error(sentence(fault));
  std::vector<double> one;
  std::vector<double> several;
  for (int round = 0; round < rounds; ++round) {
    one.push_back(measure(*heap, passed, 1));
    several.push_back(measure(*heap, passed, threads));
  }
  std::printf("%s, %s, thread_cache %s: 1 thread %.1f, %u threads %.1f, ratio %.2f\n", policy,
              passed ? "passed" : "own", cached ? "on" : "off", median(one), threads,
              median(several), median(several) / median(one));
}

}  // namespace

int main(int count, char** words) try {
  const char* const policy = count > 1 ? words[1] : "segregated_fit";
  const auto threads = static_cast<unsigned>(count > 2 ? std::strtoul(words[2], nullptr, 10) : 2);
  for (const bool passed : {false, true})
    for (const bool cached : {false, true}) compare(policy, passed, cached, threads);
} catch (const std::exception& error) {
  std::fprintf(stderr, "glassheap-threads: %s\n", error.what());
  return 1;
}
