#include "shared/robust_lock.hpp"

#include <cerrno>

namespace glassheap::shared {
namespace {

LockResult result_of(int error) noexcept {
  if (error == 0) return LockResult::acquired;
  return error == EOWNERDEAD ? LockResult::owner_died : LockResult::taken;
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

LockResult try_lock(pthread_mutex_t& mutex) noexcept {
  constexpr int spins = 64;
  int error = EBUSY;
  for (int i = 0; error == EBUSY && i < spins; ++i) error = pthread_mutex_trylock(&mutex);
  return result_of(error);
}

void mark_consistent(pthread_mutex_t& mutex) noexcept { pthread_mutex_consistent(&mutex); }

void release_lock(pthread_mutex_t& mutex) noexcept { pthread_mutex_unlock(&mutex); }

}  // namespace glassheap::shared
