// clock.hpp: two clocks, one for figures and one for limits.
//
// Figures are processor time of this process: what other programs do meanwhile is not in it. To
// read that clock is a system call, some hundred nanoseconds, so while a figure is taken it is read
// at the ends alone, and the time to stop is told by the clock on the wall, which costs little.
#pragma once

#include <chrono>
#include <ctime>

namespace bench {

// Processor time of this process so far, in seconds.
[[nodiscard]] inline double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

class Deadline {
 public:
  explicit Deadline(double seconds)
      : end_(Clock::now() +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))) {}

  // Seconds; below 0 once it has passed.
  [[nodiscard]] double left() const {
    return std::chrono::duration<double>(end_ - Clock::now()).count();
  }
  [[nodiscard]] bool passed() const { return Clock::now() >= end_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
};

}  // namespace bench
