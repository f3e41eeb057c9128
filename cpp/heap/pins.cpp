#include "heap/pins.hpp"

#include <utility>

namespace glassheap {

void Pins::drop(Offset payload) noexcept {
  if (const auto pin = by_payload_.find(payload); --pin->second == 0) by_payload_.erase(pin);
}

void Pins::move(Offset from, Offset to) noexcept {
  auto pin = by_payload_.extract(from);
  pin.key() = to;
  by_payload_.insert(std::move(pin));
}

}  // namespace glassheap
