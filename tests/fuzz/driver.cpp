#include "driver.hpp"

#include "session.hpp"

namespace glassheap::fuzzing {

void play(std::string_view policy, std::span<const std::uint8_t> input) {
  Session(policy, Input(input)).run();
}

}  // namespace glassheap::fuzzing
