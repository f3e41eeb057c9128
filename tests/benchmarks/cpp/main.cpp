// main.cpp: glassheap-bench: the time to place a block.
//
//     glassheap-bench --benchmark_filter=churn:uniform:1000/
//     glassheap-bench --benchmark_list_tests
//     glassheap-bench FILE...     also plays the traces that placement.py has written
//
// It is a program of Google Benchmark, which has the other options: repetitions, interleaving, JSON.
// It plays recorded programs and synthetic workloads on each policy, through the class that the
// bindings call, and on other allocators. A benchmark has the name WORKLOAD/HEAP.
//
//     workloads   the operations, read from a file or drawn beforehand; playing them
//     peers       other allocators as heaps under test
//     trial       a heap on a workload, as a benchmark
//
// The workloads `checks:POLICY` are one churn, on that policy with more checks or fewer. A build with
// GLASSHEAP_CHECKS=none has the fewest.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <span>

#include "glassheap_heap.hpp"
#include "peers.hpp"
#include "trial.hpp"

namespace bench {
namespace {

using glassheap::Options;
using Source = std::shared_future<Workload>;

// The workload that `draw` returns, which is called when a benchmark first needs it.
template <typename Draw>
Source when_needed(Draw draw) {
  return std::async(std::launch::deferred, draw).share();
}

// Adds the benchmark of a heap that is made of `arguments` and the size of its region.
template <typename H, typename... Arguments>
void add(const std::string& name, const Source& workload, const Arguments&... arguments) {
  const auto open = [=](Size region) { return std::make_unique<H>(arguments..., region); };
  const auto trial = std::make_shared<Trial<H>>(workload, open);
  const auto run = [trial](benchmark::State& state) { trial->run(state); };
  benchmark::RegisterBenchmark(name.c_str(), run);
}

// Adds every heap on a workload. BENCH_MALLOC names a malloc that is preloaded.
void add_heaps(const std::string& workload, const Source& source) {
  const std::string name = workload + "/";
  for (const std::string_view policy : glassheap::policy_names()) {
    Options options = options_for(policy);
    add<GlassheapHeap>(name + options.policy, source, options);
    options.headers = false;
    add<GlassheapHeap>(name + options.policy + "/headerless", source, options);
  }
  add<Dlmalloc>(name + "boost dlmalloc", source);
  add<TreeBestFit>(name + "boost rbtree_best_fit", source);
  add<SequentialFit>(name + "boost simple_seq_fit", source);
  add<FixedPool>(name + "tbb fixed_pool", source);
  add<StandardPools>(name + "std::pmr pools", source);
  const char* const preloaded = std::getenv("BENCH_MALLOC");
  add<SystemMalloc>(name + (preloaded != nullptr ? preloaded : "libc malloc"), source);
}

void add_churns(const std::string& name, Sizes sizes) {
  for (const std::uint32_t live : {100, 1000, 10'000, 100'000})
    add_heaps(name + std::to_string(live), when_needed([=] { return draw_churn(live, sizes); }));
}

void add_checks() {
  const Source churn = when_needed([] { return draw_churn(1000, Sizes::uniform); });
  for (const std::string_view policy : glassheap::policy_names()) {
    if (policy == "sequential_fit") continue;  // its walks take so long that checks do not matter
    const std::string name = "checks:" + std::string(policy);
#ifdef GLASSHEAP_WITHOUT_CHECKS
    add<GlassheapHeap>(name + "/no checks", churn, options_for(policy));
#else
    Options debug = options_for(policy), unlocked = debug;
    debug.checks = glassheap::Checks::debug;
    unlocked.threads = false;
    add<GlassheapHeap>(name + "/default checks", churn, options_for(policy));
    add<GlassheapHeap>(name + "/debug", churn, debug);
    add<GlassheapHeap>(name + "/default checks, no lock", churn, unlocked);
#endif
  }
}

void run(int count, char** words) {
  benchmark::Initialize(&count, words);
  benchmark::AddCustomContext("compiler", BENCH_BUILD);
  for (const std::string file : std::span(words + 1, words + count))
    add_heaps("trace:" + std::filesystem::path(file).stem().string(),
              when_needed([=] { return read_trace(file); }));
  add_churns("churn:uniform:", Sizes::uniform);
  add_churns("churn:log-normal:", Sizes::log_normal);
  add_heaps("lifo", when_needed(make_lifo));
  add_checks();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

}  // namespace
}  // namespace bench

int main(int count, char** words) try {
  bench::run(count, words);
} catch (const std::exception& error) {
  std::fprintf(stderr, "glassheap-bench: %s\n", error.what());
  return 1;
}
