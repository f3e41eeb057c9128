// watchdog.hpp: a time limit, so that an endless loop is a failed test.
#pragma once

#include <signal.h>
#include <unistd.h>

namespace glassheap {

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
