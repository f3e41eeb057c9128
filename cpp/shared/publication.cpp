#include "shared/publication.hpp"

#include <atomic>

#include "base/waiting.hpp"

namespace glassheap::shared {
namespace {

enum class Stage : std::uint8_t { published, not_yet, no_heap };

// The field that makes these bytes no heap; null if they are one, or can become one.
const char* bad_field_of(const Segment& segment) {
  if (segment.size() < sizeof(Superblock)) return "size";
  const Superblock& block = superblock_of(segment);
  const bool unfinished = block.fixed.magic == 0 && !is_published(block);
  return unfinished ? nullptr : first_bad_field(block.fixed, segment.size());
}

Stage stage_of(const Segment& segment, Fault& fault) {
  if (segment.size() == 0) return Stage::not_yet;
  if (const char* const field = bad_field_of(segment)) {
    refuse_image(field, fault);
    return Stage::no_heap;
  }
  return is_published(superblock_of(segment)) ? Stage::published : Stage::not_yet;
}

}  // namespace

bool refuse_image(const char* field, Fault& fault) noexcept {
  fault = {.kind = FaultKind::bad_image, .field = field};
  return false;
}

void publish_fixed_fields(FixedFields& place, const FixedFields& fixed) noexcept {
  FixedFields unfinished = fixed;
  unfinished.magic = 0;
  place = unfinished;
  std::atomic_ref(place.magic).store(fixed.magic, std::memory_order_release);
}

std::unique_ptr<Segment> open_published(const SegmentLocation& location, double timeout,
                                        Fault& fault) {
  Wait wait(timeout);
  FaultKind given_up = FaultKind::none;
  while (given_up == FaultKind::none) {
    std::unique_ptr<Segment> segment = Segment::open(location, sizeof(Superblock), fault);
    if (segment == nullptr) return nullptr;
    const Stage stage = stage_of(*segment, fault);
    if (stage == Stage::published) return segment;
    if (stage == Stage::no_heap) return nullptr;
    given_up = wait.nap();
  }
  fault = {.kind = given_up == FaultKind::lock_timeout ? FaultKind::attach_timeout : given_up};
  return nullptr;
}

}  // namespace glassheap::shared
