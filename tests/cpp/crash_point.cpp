// The crash point of the library that the tests of killed processes are linked with.

#include <signal.h>
#include <unistd.h>

#include "base/config.hpp"

namespace glassheap {

extern std::uint64_t stores_left;
std::uint64_t stores_left = 0;

void crash_point() noexcept {
  if (stores_left != 0 && --stores_left == 0) kill(getpid(), SIGKILL);
}

}  // namespace glassheap
