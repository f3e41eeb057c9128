#include "glassheap/flight.hpp"

namespace glassheap {

void Flight::depart(Block stretch, Offset top, Size keep, Size size) noexcept {
  const std::uint64_t next = holds_ == 1 ? 2 : 1;
  stretches_[next - 1] = {stretch.start, stretch.end(), keep, size, top};
  crash_point();
  become(next);
}

}  // namespace glassheap
