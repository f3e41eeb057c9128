// limits.hpp: how long a test may run: its size by the kind of build, and a time limit, so that an
// endless loop is a failed test.
#pragma once

#include <signal.h>
#include <unistd.h>

namespace glassheap {

// Exhaustive tests and long random runs are sized for an optimised build. Under a sanitizer, or
// without optimisation, the same test runs on a smaller scope, so that it ends in seconds there
// too.
inline constexpr bool slow_build = GLASSHEAP_SLOW_BUILD != 0;

// Returns `full` in an optimised build, `reduced` in a slow one.
[[nodiscard]] constexpr int scaled(int full, int reduced) noexcept {
  return slow_build ? reduced : full;
}

// Ends the program, with a message on stderr, unless it is destroyed within so many seconds.
class Watchdog {
 public:
  explicit Watchdog(unsigned seconds) {
    signal(SIGALRM, [](int) {
      constexpr char text[] = "Endless loop: this test has exceeded its time limit.\n";
      [[maybe_unused]] const auto written = write(STDERR_FILENO, text, sizeof text - 1);
      _exit(3);
    });
    alarm(seconds);
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() { alarm(0); }
};

}  // namespace glassheap
