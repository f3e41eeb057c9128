// sizing.hpp: the smallest region in which a heap serves a trace, as a benchmark of one iteration.
//
// The region is found by trial: starting from the peak payload, it grows by a hundredth until it
// serves the trace; then, from the last size that did not, by a thousandth of the payload or 4 KiB,
// whichever is less. Larger is not always better: in a region of another size a heap places blocks
// differently, and may fail where a smaller one served. Hence the small steps from below, instead of
// a bisection. The reported size did serve the whole trace; that no smaller one does is likely, but
// not proved.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <future>
#include <memory>

#include "workloads.hpp"

namespace bench {

template <HeapUnderTest H>
class Sizing {
 public:
  // `open` makes a heap over a region of so many bytes; it throws if that is too small.
  using Open = std::function<std::unique_ptr<H>(Size)>;

  Sizing(std::shared_future<Workload> workload, Open open)
      : workload_(std::move(workload)), open_(std::move(open)) {}

  void run(benchmark::State& state) {
    Size smallest = 0;
    for (auto _ : state) smallest = search();
    if (smallest == 0) return state.SkipWithError("refused");
    const auto payload = static_cast<double>(workload_.get().payload);
    state.counters["used"] = payload / static_cast<double>(smallest + own_memory_);
    state.counters["used_region"] = payload / static_cast<double>(smallest);
  }

 private:
  static constexpr Size most = 64;  // times the payload
  static constexpr Size coarsest_unit = 4096;

  // Returns 0 if no region that is tried serves the trace.
  Size search() {
    const Size payload = workload_.get().payload;
    const Size unit = std::min(coarsest_unit, in_granules(payload / 1000 + 1));
    Size last = in_granules(payload);
    for (Size size = last; !serves(size); size += in_granules(size / 100)) {
      if (size > most * payload) return 0;
      last = size;
    }
    while (!serves(last)) last += unit;
    return last;
  }

  bool serves(Size region) try {
    const Workload& workload = workload_.get();
    Player<H> player(workload);
    const std::unique_ptr<H> heap = open_(region);
    if (!player.fill(*heap) || !player.play(*heap, workload.loop.size())) return false;
    if constexpr (requires { heap->own_memory(); }) own_memory_ = heap->own_memory();
    return true;
  } catch (const std::exception&) {
    return false;
  }

  static Size in_granules(Size size) { return glassheap::round_up(size, glassheap::granule_size); }

  std::shared_future<Workload> workload_;
  Open open_;
  Size own_memory_ = 0;  // outside the region, after the trace
};

}  // namespace bench
