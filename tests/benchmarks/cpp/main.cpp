// main.cpp: glassheap-bench: the time to place a block.
//
//     glassheap-bench --benchmark_filter=churn:uniform:1000/
//     glassheap-bench --benchmark_list_tests
//     glassheap-bench FILE...     also plays the traces that measure.py has written
//
// It is a program of Google Benchmark, which has the other options: repetitions, interleaving, JSON.
// measure.py runs it for every workload, with every malloc, and writes the page.
//
// It plays recorded programs and synthetic workloads on each policy, through the class that the
// bindings call, and on other allocators. The benchmarks of the bindings are in the folder above.
//
//     workloads   the operations, read from a file or drawn beforehand; playing them
//     heaps       the heaps under test
//     trial       a heap on a workload, as a benchmark, whose name is WORKLOAD/HEAP
#include <benchmark/benchmark.h>
#include <dlfcn.h>

#include <cstdio>
#include <exception>
#include <filesystem>

#include "glassheap/version.h"
#include "heaps.hpp"
#include "trial.hpp"

namespace bench {
namespace {

// --- Benchmarks. -------------------------------------------------------------------------------

template <typename H, typename Draw>
void add(const std::string& name, const Draw& draw, std::function<std::unique_ptr<H>(Size)> open) {
  const auto trial = std::make_shared<Trial<H, decltype(draw())>>(std::move(open), draw);
  const auto run = [trial](benchmark::State& state) { trial->run(state); };
  benchmark::RegisterBenchmark(name.c_str(), run);
}

template <typename H, typename Draw>
void add_peer(const std::string& name, const Draw& draw) {
  add<H>(name, draw, [](Size region) { return std::make_unique<H>(region); });
}

template <typename Draw>
void add_policy(const std::string& name, const Draw& draw, const std::string& policy,
                bool headers) {
  add<GlassheapHeap>(name + policy + (headers ? "" : "/headerless"), draw, [=](Size region) {
    return std::make_unique<GlassheapHeap>(policy, headers, region);
  });
}

// Adds every heap on the workload that `draw` makes.
template <typename Draw>
void add_heaps(const std::string& workload, const Draw& draw) {
  const std::string name = workload + "/";
  for (const std::string_view policy : glassheap::policy_names()) {
    add_policy(name, draw, std::string(policy), true);
    add_policy(name, draw, std::string(policy), false);
  }
#ifdef BENCH_HAVE_Boost__container
  add_peer<Dlmalloc>(name + "boost dlmalloc", draw);
#endif
#ifdef BENCH_HAVE_Boost__headers
  add_peer<TreeBestFit>(name + "boost rbtree_best_fit", draw);
  add_peer<SequentialFit>(name + "boost simple_seq_fit", draw);
#endif
#ifdef BENCH_HAVE_TBB__tbbmalloc
  add_peer<FixedPool>(name + "tbb fixed_pool", draw);
#endif
  add_peer<StandardPools>(name + "std::pmr pools", draw);
  add_peer<SystemMalloc>(name + "libc malloc", draw);
}

void add_trace(const char* path) {
  const auto trace = std::make_shared<const Trace>(read_trace(path));
  add_heaps("trace:" + trace->name, [trace] { return TraceWorkload(trace); });
}

void add_churns(const std::string& name, Sizes sizes) {
  for (const std::uint32_t live : {100, 1000, 10'000, 100'000})
    add_heaps(name + std::to_string(live), [live, sizes] { return ChurnWorkload(live, sizes); });
}

// --- Versions. ---------------------------------------------------------------------------------

template <typename Function>
Function find_function(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

// The version of this process's malloc; each library but libc has its own way to report it.
std::string malloc_version() {
  const char* version = nullptr;
  std::size_t size = sizeof version;
  using Mallctl = int (*)(const char*, void*, std::size_t*, void*, std::size_t);
  if (const auto mallctl = find_function<Mallctl>("mallctl"))
    mallctl("version", static_cast<void*>(&version), &size, nullptr, 0);
  using TcVersion = const char* (*)(int*, int*, const char**);
  if (const auto tc = find_function<TcVersion>("tc_version"))
    version = tc(nullptr, nullptr, nullptr);
  if (version != nullptr) return std::string(version).substr(0, std::string(version).find('-'));
  using MiVersion = int (*)();
  if (const auto mi = find_function<MiVersion>("mi_version")) return std::to_string(mi());
  return "";
}

// The file of this process's malloc: a library that cannot be preloaded is not an error.
std::string malloc_library() {
  Dl_info place{};
  if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &place) == 0) return "unknown";
  return std::filesystem::path(place.dli_fname).filename();
}

void add_context() {
  benchmark::AddCustomContext("compiler", BENCH_COMPILER);
  benchmark::AddCustomContext("glassheap", GLASSHEAP_VERSION);
  benchmark::AddCustomContext("malloc", malloc_library() + " " + malloc_version());
  benchmark::AddCustomContext("std::pmr pools", "of this compiler");
#ifdef BENCH_HAVE_Boost__container
  benchmark::AddCustomContext("boost dlmalloc", "2.8.6 in Boost " BOOST_LIB_VERSION);
#endif
#ifdef BENCH_HAVE_Boost__headers
  benchmark::AddCustomContext("boost rbtree_best_fit", "Boost " BOOST_LIB_VERSION);
  benchmark::AddCustomContext("boost simple_seq_fit", "Boost " BOOST_LIB_VERSION);
#endif
#ifdef BENCH_HAVE_TBB__tbbmalloc
  benchmark::AddCustomContext("tbb fixed_pool", TBB_VERSION_STRING);
#endif
}

void run(int count, char** words) {
  benchmark::Initialize(&count, words);
  add_context();
  for (int i = 1; i < count; ++i) add_trace(words[i]);
  add_churns("churn:uniform:", Sizes::uniform);
  add_churns("churn:log-normal:", Sizes::log_normal);
  add_heaps("lifo", [] { return LifoWorkload(); });
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

}  // namespace
}  // namespace bench

int main(int count, char** words) {
  try {
    bench::run(count, words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "glassheap-bench: %s\n", error.what());
    return 1;
  }
}
