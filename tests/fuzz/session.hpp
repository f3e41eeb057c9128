// session.hpp: a program that uses a heap as an input says: correctly, wrongly, and with malice.
// Every input is valid for every policy.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace glassheap {

// Throws BrokenPromise if the heap breaks a promise.
void play(std::string_view policy, std::span<const std::uint8_t> input);

}  // namespace glassheap
