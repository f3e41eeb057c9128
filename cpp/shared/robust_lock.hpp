// robust_lock.hpp: a lock in memory that processes share, which survives the death of its owner.
//
// The system marks it when a process dies that has it, and gives it to the next that asks, with the
// news. Who finds the news clears up first.
#pragma once

#include <pthread.h>

#include <cstdint>

namespace glassheap::shared {

enum class LockResult : std::uint8_t { acquired, owner_died, timed_out };

void init_lock(pthread_mutex_t& mutex) noexcept;
// Waits for at most so many seconds.
[[nodiscard]] LockResult acquire_lock(pthread_mutex_t& mutex, double seconds) noexcept;
// The death has been cleared up after.
void mark_consistent(pthread_mutex_t& mutex) noexcept;
void release_lock(pthread_mutex_t& mutex) noexcept;

}  // namespace glassheap::shared
