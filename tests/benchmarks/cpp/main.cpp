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
//     trial       the time of a heap on a workload, as a benchmark
//     sizing      the smallest region in which a heap serves a trace, as `size:TRACE/HEAP`
//
// In a build with GLASSHEAP_CHECKS=none, the heaps are POLICY/no checks. The workloads `checks:POLICY` are one churn, on that policy with more checks or fewer. A build with
// GLASSHEAP_CHECKS=none has the fewest.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <span>

#include "glassheap_heap.hpp"
#include "peers.hpp"
#include "sizing.hpp"
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

// True for a measurement that is made once, and is not made of heaps that walk: it would take hours.
template <template <typename> typename Measured>
constexpr bool is_search = std::same_as<Measured<GlassheapHeap>, Sizing<GlassheapHeap>>;

// Adds the benchmark of a heap that is made of `arguments` and the size of its region.
template <template <typename> typename Measured, typename H, typename... Arguments>
void add(const std::string& name, const Source& workload, const Arguments&... arguments) {
  const auto open = [=](Size region) { return std::make_unique<H>(arguments..., region); };
  const auto measured = std::make_shared<Measured<H>>(workload, open);
  const auto run = [measured](benchmark::State& state) { measured->run(state); };
  auto* const added = benchmark::RegisterBenchmark(name.c_str(), run);
  if (is_search<Measured>) added->Iterations(1)->Repetitions(1);
}

#ifdef GLASSHEAP_WITHOUT_CHECKS
constexpr bool checked = false;
#else
constexpr bool checked = true;
#endif

template <template <typename> typename Measured>
void add_policies(const std::string& name, const Source& source) {
  for (const std::string_view policy : glassheap::policy_names()) {
    if (is_search<Measured> && policy == "sequential_fit") continue;
    Options options = options_for(policy);
    add<Measured, GlassheapHeap>(name + options.policy + (checked ? "" : "/no checks"), source,
                                 options);
    if (!checked) continue;
    options.headers = false;
    add<Measured, GlassheapHeap>(name + options.policy + "/headerless", source, options);
  }
}

template <template <typename> typename Measured>
void add_region_peers(const std::string& name, const Source& source) {
  add<Measured, Dlmalloc>(name + "dlmalloc", source);
  add<Measured, Tlsf>(name + "conte tlsf", source);
  add<Measured, TreeBestFit>(name + "boost rbtree_best_fit", source);
  if (!is_search<Measured>) add<Measured, SequentialFit>(name + "boost simple_seq_fit", source);
  add<Measured, FixedPool>(name + "tbb fixed_pool", source);
  add<Measured, StandardPools>(name + "std::pmr pools", source);
}

// Adds every heap on a workload. BENCH_MALLOC names a malloc that is preloaded.
void add_heaps(const std::string& workload, const Source& source) {
  const std::string name = workload + "/";
  add_policies<Trial>(name, source);
  if (!checked) return;
  add_region_peers<Trial>(name, source);
  const char* const preloaded = std::getenv("BENCH_MALLOC");
  add<Trial, SystemMalloc>(name + (preloaded != nullptr ? preloaded : "libc malloc"), source);
}

void add_trace(const std::string& file) {
  const std::string name = std::filesystem::path(file).stem().string();
  const Source source = when_needed([=] { return read_trace(file); });
  add_heaps("trace:" + name, source);
  add_policies<Sizing>("size:" + name + "/", source);
  add_region_peers<Sizing>("size:" + name + "/", source);
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
    Options debug = options_for(policy), unlocked = debug;
    debug.checks = glassheap::Checks::debug;
    unlocked.threads = false;
    add<Trial, GlassheapHeap>(name + (checked ? "/default checks" : "/no checks"), churn,
                              options_for(policy));
    if (!checked) continue;
    add<Trial, GlassheapHeap>(name + "/debug", churn, debug);
    add<Trial, GlassheapHeap>(name + "/default checks, no lock", churn, unlocked);
  }
}

void run(int count, char** words) {
  benchmark::Initialize(&count, words);
  benchmark::AddCustomContext("compiler", BENCH_BUILD);
  for (const std::string file : std::span(words + 1, words + count)) add_trace(file);
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
