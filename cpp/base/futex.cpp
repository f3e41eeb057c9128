#include "base/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace glassheap {
namespace {

// Not the private kind: the sleepers may be in other processes.
void call_futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
                const timespec* timeout) noexcept {
  static_assert(sizeof word == 4 && std::atomic<std::uint32_t>::is_always_lock_free);
  syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
}

}  // namespace

timespec as_timespec(std::chrono::nanoseconds duration) noexcept {
  constexpr std::int64_t second = 1'000'000'000;
  return {.tv_sec = static_cast<time_t>(duration.count() / second),
          .tv_nsec = static_cast<long>(duration.count() % second)};
}

void sleep_while(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                 std::chrono::nanoseconds longest) noexcept {
  const timespec timeout = as_timespec(longest);
  call_futex(word, FUTEX_WAIT, value, &timeout);
}

// Who wakes others has written the word. NOLINTNEXTLINE(misc-const-correctness)
void wake_one(std::atomic<std::uint32_t>& word) noexcept {
  call_futex(word, FUTEX_WAKE, 1, nullptr);
}

}  // namespace glassheap
