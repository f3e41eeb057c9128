#include "shared/lock_word.hpp"

#include <ctime>

#include "base/futex.hpp"

namespace glassheap::shared {

// A call on a heap takes less than a microsecond: it may be over soon.
LockResult LockSeat::try_again(Number self) noexcept {
  constexpr int spins = 100;
  std::uint32_t found = word_.owner.load(std::memory_order_relaxed);
  for (int i = 0; i < spins && found != 0; ++i) found = word_.owner.load(std::memory_order_relaxed);
  const bool died = found != 0 && take_over(found, self);
  if (died ||
      (found == 0 && word_.owner.compare_exchange_strong(found, self, std::memory_order_acquire))) {
    end_wait();
    return died ? LockResult::owner_died : LockResult::acquired;
  }
  word_.sleepers.store(1, std::memory_order_relaxed);
  awaited_.store(found, std::memory_order_relaxed);
  return LockResult::taken;
}

bool LockSeat::take_over(std::uint32_t found, Number self) noexcept {
  const bool may_live = found <= attaching && found != self;
  const auto number = static_cast<Number>(found);
  if (may_live && !presence_.try_lock(number)) return false;
  const bool taken = word_.owner.compare_exchange_strong(found, self, std::memory_order_acquire);
  if (may_live) presence_.unlock(number);
  return taken;
}

void LockSeat::nap(std::chrono::nanoseconds longest) const noexcept {
  if (const std::uint32_t awaited = awaited_.load(std::memory_order_relaxed); awaited != 0) {
    sleep_while(word_.owner, awaited, longest);
  } else {
    const timespec timeout = as_timespec(longest);
    nanosleep(&timeout, nullptr);
  }
}

void LockSeat::wake() noexcept {
  word_.sleepers.store(0, std::memory_order_relaxed);
  wake_one(word_.owner);
}

}  // namespace glassheap::shared
