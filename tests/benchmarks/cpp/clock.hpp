// clock.hpp: two clocks, one for figures and one for limits.
//
// Figures are processor time of this process, which excludes other programs. Reading that clock is
// a system call of some hundred nanoseconds, so it is read only at the start and the end of a
// measurement. Limits are real time, whose clock is cheap to read.
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

  // Seconds; negative once it has passed.
  [[nodiscard]] double left() const {
    return std::chrono::duration<double>(end_ - Clock::now()).count();
  }
  [[nodiscard]] bool passed() const { return Clock::now() >= end_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
};

}  // namespace bench
