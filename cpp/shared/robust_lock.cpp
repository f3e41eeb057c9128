#include "shared/robust_lock.hpp"

#include <cerrno>
#include <cmath>
#include <ctime>

namespace glassheap::shared {
namespace {

timespec in_seconds(double seconds) noexcept {
  timespec until{};
  clock_gettime(CLOCK_REALTIME, &until);  // the clock of pthread_mutex_timedlock
  constexpr double longest = 1e9;         // about thirty years
  const double whole = std::floor(std::fmin(std::fmax(seconds, 0), longest));
  until.tv_sec += static_cast<time_t>(whole);
  until.tv_nsec += static_cast<long>((std::fmin(std::fmax(seconds, 0), longest) - whole) * 1e9);
  if (until.tv_nsec >= 1'000'000'000) {
    until.tv_nsec -= 1'000'000'000;
    ++until.tv_sec;
  }
  return until;
}

LockResult result_of(int error) noexcept {
  if (error == 0) return LockResult::acquired;
  return error == EOWNERDEAD ? LockResult::owner_died : LockResult::timed_out;
}

}  // namespace

void init_lock(pthread_mutex_t& mutex) noexcept {
  pthread_mutexattr_t how;
  pthread_mutexattr_init(&how);
  pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &how);
  pthread_mutexattr_destroy(&how);
}

// The lock is mostly free: then no clock is read.
LockResult acquire_lock(pthread_mutex_t& mutex, double seconds) noexcept {
  const int error = pthread_mutex_trylock(&mutex);
  if (error != EBUSY) return result_of(error);
  const timespec until = in_seconds(seconds);
  return result_of(pthread_mutex_timedlock(&mutex, &until));
}

void mark_consistent(pthread_mutex_t& mutex) noexcept { pthread_mutex_consistent(&mutex); }

void release_lock(pthread_mutex_t& mutex) noexcept { pthread_mutex_unlock(&mutex); }

}  // namespace glassheap::shared
