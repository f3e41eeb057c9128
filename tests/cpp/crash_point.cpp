// The crash point of the library that these tests are linked with.

#include "crash_injection.hpp"

namespace glassheap {

std::uint64_t stores_left = 0;

void crash_point() noexcept {
  if (stores_left != 0 && --stores_left == 0) kill(getpid(), SIGKILL);
}

}  // namespace glassheap
