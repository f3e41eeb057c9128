// robust_lock.hpp: a lock in shared memory that survives the death of its owner.
//
// It is a robust pthread mutex. After the owner's death the next locker gets owner_died
// (EOWNERDEAD), and must recover the data and mark the lock consistent before it unlocks.
#pragma once

#include <pthread.h>

#include <cstdint>

namespace glassheap::shared {

enum class LockResult : std::uint8_t { acquired, owner_died, taken };

void init_lock(pthread_mutex_t& mutex) noexcept;
// Tries a few times, without waiting.
[[nodiscard]] LockResult try_lock(pthread_mutex_t& mutex) noexcept;
// The data is recovered: the next locker gets the lock as usual.
void mark_consistent(pthread_mutex_t& mutex) noexcept;
void release_lock(pthread_mutex_t& mutex) noexcept;

}  // namespace glassheap::shared
