// The lock: one owner at a time. A thread that locks it twice is refused, and so is a signal
// handler that calls the heap whose call it has interrupted.

#include "base/lock.hpp"

#include <gtest/gtest.h>
#include <sys/time.h>

#include <csignal>
#include <thread>

#include "heap_fixture.hpp"
#include "limits.hpp"

namespace glassheap {
namespace {

class EveryLock : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(ThreadsOrNot, EveryLock, ::testing::Bool());

TEST_P(EveryLock, RefusesTheThreadThatHoldsIt) {
  Lock lock(GetParam());
  ASSERT_TRUE(lock.lock());
  EXPECT_FALSE(lock.lock());
  {
    const Guard again(lock);
    EXPECT_FALSE(again);
  }
  EXPECT_FALSE(lock.lock()) << "A guard that did not acquire the lock released it.";
  lock.unlock();
  EXPECT_TRUE(lock.lock());
  lock.unlock();
}

TEST(SharedLock, BlocksOthersUntilUnlocked) {
  const Watchdog watchdog(30);
  Lock lock(true);
  ASSERT_TRUE(lock.lock());
  std::atomic<bool> inside{false};
  std::thread other([&] {
    EXPECT_TRUE(lock.lock());
    inside = true;
    lock.unlock();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(inside);
  lock.unlock();
  other.join();
  EXPECT_TRUE(inside);
}

// --- Reentrance from a signal handler. ---------------------------------------------------------

Heap* interrupted = nullptr;
std::atomic<int> refusals{0};

void malloc_in_handler(int /*signal*/) {
  Fault fault;
  const Address got = interrupted->malloc(16, 16, fault);
  if (got != 0) interrupted->free(got, fault);
  if (got == 0 && fault.kind == FaultKind::heap_busy) ++refusals;
}

// Sends the signal every 50 us of real time, until it goes out of scope.
class PeriodicSignal {
 public:
  PeriodicSignal() {
    struct sigaction action = {};
    action.sa_handler = malloc_in_handler;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, &before_);
    set(50);
  }
  ~PeriodicSignal() {
    set(0);
    sigaction(SIGALRM, &before_, nullptr);
  }
  PeriodicSignal(const PeriodicSignal&) = delete;
  PeriodicSignal& operator=(const PeriodicSignal&) = delete;

 private:
  static void set(long microseconds) {
    const itimerval every = {{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &every, nullptr);
  }
  struct sigaction before_ = {};
};

TEST_P(EveryLock, RefusesASignalHandlerInsteadOfDeadlocking) {
  const Watchdog watchdog(60);
  Options options = sized(1 << 16);
  options.threads = GetParam();
  HeapFixture heap(options);
  interrupted = &*heap;
  refusals = 0;
  {
    const PeriodicSignal signals;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (refusals == 0 && std::chrono::steady_clock::now() < end) {
      for (int i = 0; i < 1000; ++i) heap.free(heap.malloc(64));
    }
  }
  EXPECT_GT(refusals, 0) << "No signal interrupted a call in 20 seconds.";
  EXPECT_TRUE(heap.check().empty());
  EXPECT_EQ(heap.stats().live_blocks, 0U);
}

}  // namespace
}  // namespace glassheap
