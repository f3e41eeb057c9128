// watchdog.hpp: a loop that never ends, made into a test that fails.
#pragma once

#include <signal.h>
#include <unistd.h>

namespace glassheap {

// While it lives, the program is ended with a sentence if this takes longer than so many seconds.
class Watchdog {
 public:
  explicit Watchdog(unsigned seconds) {
    signal(SIGALRM, [](int) {
      constexpr char text[] = "Endless loop: this test takes longer than it ever could.\n";
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
