// driver.hpp: one input, played to one policy. An input means something to every policy.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace glassheap::fuzzing {

// ListEnds the program if the heap breaks a promise.
void play(std::string_view policy, std::span<const std::uint8_t> input);

}  // namespace glassheap::fuzzing
