// trial.hpp: one heap on one workload, as a benchmark.
//
// Every repetition opens a heap, and plays the workload without measuring until the heap has settled
// into its steady state: its pages have been touched, the number of holes is stable. An iteration is
// a whole trace, or a batch of pairs.
//
// If the region is too small, its size is doubled, and again, up to 64 times the size; a heap that
// needs more is reported as "refused". A heap that does not settle in time is not measured either:
// the message is "over NS", the time of a step so far. In a churn that is less than in the steady
// state, which has more holes; for a trace, it is the time of the part that was played.
#pragma once

#include <benchmark/benchmark.h>

#include <ctime>
#include <functional>
#include <future>
#include <memory>

#include "workloads.hpp"

namespace bench {

template <HeapUnderTest H>
class Trial {
 public:
  // `open` makes a heap over a region of so many bytes; it throws if that is too small.
  using Open = std::function<std::unique_ptr<H>(Size)>;

  Trial(std::shared_future<Workload> workload, Open open)
      : workload_(std::move(workload)), open_(std::move(open)) {}

  void run(benchmark::State& state) {
    const Workload& workload = workload_.get();
    Player<H> player(workload);
    std::unique_ptr<H> heap;
    settle(heap, player);
    for (auto _ : state) {
      if (!failure_.empty()) break;
      if (player.play(*heap, workload.batch)) continue;
      state.PauseTiming();
      enlarge();
      settle(heap, player);
      state.ResumeTiming();
    }
    if constexpr (requires { H::has_region; }) player.clear(*heap);  // other blocks go with theirs
    if (!failure_.empty()) return state.SkipWithError(failure_.c_str());
    state.counters["steps"] = static_cast<double>(workload.batch / workload.step);
    state.counters["region"] = static_cast<double>(std::uint64_t{1} << doublings_);
  }

 private:
  static constexpr unsigned most_doublings = 6;
  static constexpr double longest_settling = 3;  // seconds of processor time
  static constexpr std::size_t slice = 512;      // operations between two readings of the clock

  void enlarge() {
    if (++doublings_ > most_doublings) failure_ = "refused";
  }

  void settle(std::unique_ptr<H>& heap, Player<H>& player) {
    while (failure_.empty() && !try_to_settle(heap, player)) enlarge();
  }

  // Opens a heap, and plays until it is in its steady state. Returns false if the heap refuses.
  bool try_to_settle(std::unique_ptr<H>& heap, Player<H>& player) try {
    const Workload& workload = workload_.get();
    heap.reset();
    heap = open_(workload.region << doublings_);
    if (!player.fill(*heap)) return false;
    const std::clock_t start = std::clock();
    for (std::size_t played = 0; failure_.empty() && played < workload.warmup;) {
      if (!player.play(*heap, slice)) return false;
      played += slice;
      const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      const double steps = static_cast<double>(played) / static_cast<double>(workload.step);
      if (seconds > longest_settling) failure_ = "over " + std::to_string(seconds * 1e9 / steps);
    }
    return true;
  } catch (const std::exception&) {
    return false;
  }

  std::shared_future<Workload> workload_;
  Open open_;
  unsigned doublings_ = 0;
  std::string failure_;  // empty while the heap can be measured
};

}  // namespace bench
