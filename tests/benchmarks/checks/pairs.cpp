// pairs.cpp: the time of a free and a malloc at one level of checks, one line per policy.
//
// There are 1000 live blocks of 16 to 512 bytes; a random one is freed, and a new one allocated.
// The program is built twice, with checks and without, and `run`, in this folder, runs the two in
// turns.

#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "glassheap/heap.hpp"

namespace {

using namespace glassheap;

constexpr std::size_t live = 1000;
constexpr int pairs = 300'000;

double nanoseconds_a_pair(Heap& heap) {
  std::mt19937 random(1);
  std::vector<Address> blocks(live);
  Fault fault;
  for (Address& block : blocks) block = heap.malloc(16 + random() % 497, 16, fault);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> steps(4096);
  for (auto& step : steps) step = {random() % live, 16 + random() % 497};
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < pairs; ++i) {
    const auto [which, size] = steps[static_cast<std::size_t>(i) % steps.size()];
    heap.free(blocks[which], fault);
    blocks[which] = heap.malloc(size, 16, fault);
  }
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  return fault ? -1 : took.count() / pairs;
}

}  // namespace

// pairs LEVEL, with LEVEL of robust, debug, unlocked: prints "policy nanoseconds" a line.
int main(int count, char** arguments) {
  const char* const level = count > 1 ? arguments[1] : "robust";
  for (const std::string_view policy : policy_names()) {
    if (policy == "sequential_fit") continue;  // its walks take so long that checks do not matter
    Options options;
    options.size = 1 << 20;
    options.policy = policy;
    options.threads = std::strcmp(level, "unlocked") != 0;
    if (std::strcmp(level, "debug") == 0) options.checks = Checks::debug;
    Fault fault;
    const auto heap = Heap::open(options, fault);
    std::printf("%s %.2f\n", options.policy.c_str(), nanoseconds_a_pair(*heap));
  }
}
