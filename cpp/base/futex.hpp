// futex.hpp: sleeping on a word until another thread, of this process or another, wakes it
// (futex(2)).
//
// The kernel alone reads the word: it may lie in memory that is unmapped meanwhile, which ends the
// sleep. A signal ends it too.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>

namespace glassheap {

// Sleeps at most that long while the word has this value.
void sleep_while(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                 std::chrono::nanoseconds longest) noexcept;
// Wakes a thread that sleeps on the word.
void wake_one(std::atomic<std::uint32_t>& word) noexcept;

// The same duration as the system's calls take it.
[[nodiscard]] timespec as_timespec(std::chrono::nanoseconds duration) noexcept;

}  // namespace glassheap
