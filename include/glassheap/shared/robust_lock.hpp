// robust_lock.hpp: a lock in memory that processes share, which survives the death of its owner.
//
// The system marks it when a process dies that has it, and gives it to the next that asks, with the
// news. Who finds the news clears up first.
#pragma once

#include <pthread.h>

#include <cstdint>

namespace glassheap::shared {

enum class Taken : std::uint8_t { yes, after_a_death, not_in_time };

void make_lock(pthread_mutex_t& mutex) noexcept;
// Waits for at most so many seconds.
[[nodiscard]] Taken take_lock(pthread_mutex_t& mutex, double seconds) noexcept;
// The death has been cleared up after.
void declare_sound(pthread_mutex_t& mutex) noexcept;
void leave_lock(pthread_mutex_t& mutex) noexcept;

}  // namespace glassheap::shared
