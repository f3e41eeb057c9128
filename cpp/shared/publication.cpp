#include "shared/publication.hpp"

#include <atomic>

namespace glassheap::shared {
namespace {

FixedFields front_of(const Segment& segment) noexcept {
  FixedFields front;
  segment.read_front(std::as_writable_bytes(std::span(&front, 1)));
  return front;
}

bool is_sound(const Segment& segment, Fault& fault) {
  return has_sound_front(front_of(segment), segment.size(), fault);
}

// Returns true for mapped memory in which a creator may be at work.
bool is_unfinished(const Segment& memory) {
  if (memory.size() < sizeof(Superblock) || is_published(superblock_of(memory))) return false;
  Fault ignored;  // a wrong front is refused later
  return front_of(memory).magic == 0 || is_sound(memory, ignored);
}

bool wait_for_creator(const Segment& memory, Wait& wait, Fault& fault) {
  while (is_unfinished(memory)) {
    const FaultKind given_up = wait.nap();
    if (given_up == FaultKind::none) continue;
    fault = {.kind = given_up == FaultKind::lock_timeout ? FaultKind::attach_timeout : given_up};
    return false;
  }
  return true;
}

bool check_published(Segment& segment, Fault& fault) {
  const FixedFields front = front_of(segment);
  if (!has_sound_front(front, segment.size(), fault)) return false;
  segment.set_fixed(front);
  return is_published(superblock_of(segment)) || refuse_image("published", fault, 1);
}

}  // namespace

void publish_fixed_fields(FixedFields& place, const FixedFields& fixed) noexcept {
  FixedFields unfinished = fixed;
  unfinished.magic = 0;
  place = unfinished;
  std::atomic_ref(place.magic).store(fixed.magic, std::memory_order_release);
}

std::unique_ptr<Segment> open_published(const SegmentLocation& location, Wait& wait, Fault& fault) {
  std::unique_ptr<Segment> segment = Segment::open(location, fault);
  if (segment == nullptr) return nullptr;
  const bool finished = segment->is_memory() ? wait_for_creator(*segment, wait, fault)
                                             : is_sound(*segment, fault) && segment->map(fault);
  return finished && check_published(*segment, fault) ? std::move(segment) : nullptr;
}

}  // namespace glassheap::shared
