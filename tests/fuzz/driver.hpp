// driver.hpp: runs one input on a heap of one policy. Every input is valid for every policy.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace glassheap::fuzzing {

// Aborts if the heap breaks a promise.
void play(std::string_view policy, std::span<const std::uint8_t> input);

}  // namespace glassheap::fuzzing
