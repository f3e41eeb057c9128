#include "check/intent_record.hpp"

namespace glassheap {

void IntentRecord::begin(Block range, Offset top, Size keep, Size size) noexcept {
  const std::uint64_t next = current_ == 1 ? 2 : 1;
  intents_[next - 1] = {range.start, range.end(), keep, size, top};
  crash_point();
  publish(next);
}

}  // namespace glassheap
