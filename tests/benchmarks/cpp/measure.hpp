// measure.hpp: the time of one step of a workload on a heap.
//
// First the workload fills the heap and is played, without measuring, until the heap has settled
// into its steady state: its pages have been touched, the number of holes is stable, caches and
// branch predictors are warm. Then it is played for a given time and measured; a workload that has
// cycles, in whole cycles.
//
// A slow heap may not settle before the timeout. A churn is then measured as it is; the heap has
// fewer holes than in its steady state, so the figure is too good, and is marked as unsettled. For
// a trace that has not been played once to its end, the figure is that of the part that was played,
// also marked.
#pragma once

#include "clock.hpp"
#include "workloads.hpp"

namespace bench {

struct Limits {
  double seconds = 0.3;         // to measure for
  double settling_timeout = 5;  // seconds of processor time
};

enum class Verdict : std::uint8_t { measured, unsettled, refused };

struct Outcome {
  Verdict verdict = Verdict::refused;
  double nanoseconds = 0;  // a step
};

struct Lap {
  std::uint64_t steps = 0;
  double seconds = 0;
  bool refused = false;

  [[nodiscard]] Outcome outcome(bool settled) const {
    if (refused || steps == 0) return {};
    return {settled ? Verdict::measured : Verdict::unsettled,
            seconds / static_cast<double>(steps) * 1e9};
  }
};

// The number of steps between two readings of the real-time clock: 30 ns in 256 steps do not
// matter.
inline constexpr std::uint64_t slice = 256;

// Plays slices until `over(steps so far)`, or until the heap refuses.
template <HeapUnderTest H, typename L, typename Over>
Lap play_until(H& heap, L& workload, Over over) {
  Lap lap;
  const double start = processor_seconds();
  while (!lap.refused && !over(lap.steps)) {
    const std::uint64_t played = workload.play(heap, slice);
    lap.refused = played == 0;
    lap.steps += played;
  }
  lap.seconds = processor_seconds() - start;
  return lap;
}

template <HeapUnderTest H, typename L>
Outcome measure(H& heap, L& workload, const Limits& limits) {
  if (!workload.fill(heap)) return {};
  const double settling_ends = processor_seconds() + limits.settling_timeout;
  const Lap warmup = play_until(heap, workload, [&](std::uint64_t steps) {
    return steps >= workload.warmup_steps() || processor_seconds() >= settling_ends;
  });
  const bool settled = warmup.steps >= workload.warmup_steps();
  if (warmup.refused || (!settled && workload.cycle_steps() > 1)) return warmup.outcome(settled);
  const Deadline end(limits.seconds);
  const Lap lap = play_until(heap, workload, [&](std::uint64_t steps) {
    return end.passed() && steps > 0 && steps % workload.cycle_steps() == 0;
  });
  return lap.outcome(settled);
}

// The same for any workload.
template <HeapUnderTest H>
Outcome measure(H& heap, Workload& workload, const Limits& limits) {
  return std::visit([&](auto& one) { return measure(heap, one, limits); }, workload);
}

}  // namespace bench
