// measure.hpp: how long a step of a load takes on a heap.
//
// First the load fills the heap and plays, off the clock, until the heap has settled: its pages are
// touched by then, its holes are as many as they will be, the processor knows the way. Then it
// plays against the clock for a given time, in whole circles where the load has such.
//
// A slow heap does not get that far before patience ends. A churn is then measured where it stands;
// its heap has fewer holes than it will have, so the figure is too good, and is marked. A trace
// that was not played once to its end has for its figure what was played of it, marked too.
#pragma once

#include "clock.hpp"
#include "loads.hpp"

namespace bench {

struct Limits {
  double seconds = 0.3;  // to measure for
  double patience = 5;   // seconds of processor time to settle in
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

// Steps between two looks at the clock on the wall: 30 ns for 256 of them are not seen.
inline constexpr std::uint64_t slice = 256;

// Plays slices until `over(steps so far)`, or until the heap refuses.
template <HeapUnderTest H, typename L, typename Over>
Lap play_until(H& heap, L& load, Over over) {
  Lap lap;
  const double start = processor_seconds();
  while (!lap.refused && !over(lap.steps)) {
    const std::uint64_t played = load.play(heap, slice);
    lap.refused = played == 0;
    lap.steps += played;
  }
  lap.seconds = processor_seconds() - start;
  return lap;
}

template <HeapUnderTest H, typename L>
Outcome measure(H& heap, L& load, const Limits& limits) {
  if (!load.fill(heap)) return {};
  const double patience_ends = processor_seconds() + limits.patience;
  const Lap settling = play_until(heap, load, [&](std::uint64_t steps) {
    return steps >= load.settling() || processor_seconds() >= patience_ends;
  });
  const bool settled = settling.steps >= load.settling();
  if (settling.refused || (!settled && load.whole() > 1)) return settling.outcome(settled);
  const Deadline end(limits.seconds);
  const Lap lap = play_until(heap, load, [&](std::uint64_t steps) {
    return end.passed() && steps > 0 && steps % load.whole() == 0;
  });
  return lap.outcome(settled);
}

// The same for whichever load it is.
template <HeapUnderTest H>
Outcome measure(H& heap, Load& load, const Limits& limits) {
  return std::visit([&](auto& one) { return measure(heap, one, limits); }, load);
}

}  // namespace bench
