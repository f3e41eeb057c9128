// trial.hpp: one heap on one workload, as a benchmark.
//
// The first repetition opens the heap, and plays the workload without measuring until the heap has
// settled into its steady state: its pages have been touched, the number of holes is stable. Later
// repetitions continue on the same heap, after as many unmeasured steps: other heaps have used the
// caches in between. An iteration is a whole trace, or a batch of pairs.
//
// If the region is too small, its size is doubled, and again, up to 64 times the size. A heap that
// needs more is not measured: the error message is "refused". A heap that does not settle within
// five seconds of processor time is not measured either: the message is "over NS", the time of a
// step so far. In a churn that is less than in the steady state, which has more holes; for a trace,
// it is the time of the part that was played.
#pragma once

#include <benchmark/benchmark.h>

#include <ctime>
#include <functional>
#include <optional>

#include "workloads.hpp"

namespace bench {

template <HeapUnderTest H, typename Workload>
class Trial {
 public:
  // `open` makes a heap over a region of so many bytes; it throws if that is too small.
  using Open = std::function<std::unique_ptr<H>(Size)>;
  using Draw = std::function<Workload()>;

  Trial(Open open, Draw draw) : open_(std::move(open)), draw_(std::move(draw)) {}

  void run(benchmark::State& state) {
    prepare();
    for (auto _ : state) {
      if (!failure_.empty()) break;
      if (workload_->play(*heap_, workload_->iteration_steps()) != 0) continue;
      state.PauseTiming();
      enlarge();
      state.ResumeTiming();
    }
    if (!failure_.empty()) return state.SkipWithError(failure_.c_str());
    state.counters["steps"] = static_cast<double>(workload_->iteration_steps());
    state.counters["region"] = static_cast<double>(std::uint64_t{1} << doublings_);
  }

 private:
  static constexpr unsigned most_doublings = 6;
  static constexpr double settling_timeout = 5;  // seconds
  static constexpr std::uint64_t slice = 256;    // steps between two readings of the clock

  void prepare() {
    if (!workload_) return settle(workload_.emplace(draw_()));
    if (!failure_.empty()) return;
    if (workload_->play(*heap_, workload_->warmup_steps()) == 0) enlarge();
  }

  void enlarge() {
    ++doublings_;
    settle(*workload_);
  }

  // Plays on a fresh heap, in as large a region as it needs, until it is in its steady state.
  void settle(Workload& workload) {
    for (; doublings_ <= most_doublings; ++doublings_) {
      if (reopen(workload.region() << doublings_) && workload.fill(*heap_) && warm_up()) return;
    }
    failure_ = "refused";
  }

  bool reopen(Size region) try {
    heap_.reset();
    heap_ = open_(region);
    return true;
  } catch (const std::exception&) {
    return false;
  }

  // Returns false if the heap refuses.
  bool warm_up() {
    const std::clock_t start = std::clock();  // processor time
    std::uint64_t steps = 0;
    while (steps < workload_->warmup_steps()) {
      const std::uint64_t played = workload_->play(*heap_, slice);
      if (played == 0) return false;
      steps += played;
      const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      if (seconds > settling_timeout) return give_up(seconds * 1e9 / static_cast<double>(steps));
    }
    return true;
  }

  bool give_up(double nanoseconds) {
    failure_ = "over " + std::to_string(nanoseconds);
    heap_.reset();
    return true;
  }

  Open open_;
  Draw draw_;
  std::optional<Workload> workload_;
  std::unique_ptr<H> heap_;
  unsigned doublings_ = 0;
  std::string failure_;  // empty while the heap can be measured
};

}  // namespace bench
