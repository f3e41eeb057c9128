// The lock: one owner at a time. A thread that locks it twice is refused, and so is a signal
// handler that calls the heap whose call it has interrupted.

#include "base/lock.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "checked_heap.hpp"
#include "limits.hpp"

namespace glassheap {
namespace {

class EveryLock : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(ThreadsOrNot, EveryLock, ::testing::Bool());

TEST_P(EveryLock, RefusesTheThreadThatHoldsIt) {
  const Watchdog watchdog(30);
  Lock lock(GetParam());
  ASSERT_EQ(lock.lock(), FaultKind::none);
  EXPECT_EQ(lock.lock(), FaultKind::heap_busy);
  {
    const Guard again(lock);
    EXPECT_FALSE(again);
  }
  EXPECT_EQ(lock.lock(), FaultKind::heap_busy)
      << "A guard that did not acquire the lock released it.";
  lock.unlock();
  EXPECT_EQ(lock.lock(), FaultKind::none);
  lock.unlock();
}

TEST(SharedLock, BlocksOthersUntilUnlocked) {
  const Watchdog watchdog(30);
  Lock lock(true);
  ASSERT_EQ(lock.lock(), FaultKind::none);
  std::atomic<bool> inside{false};
  std::thread other([&] {
    EXPECT_EQ(lock.lock(), FaultKind::none);
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
  UnsetFault unset;
  const Address got = interrupted->malloc(16, 16, unset.fault);
  if (got == 0 && unset.fault.kind == FaultKind::heap_busy && unset.fault.address == 0) ++refusals;
  if (got != 0) interrupted->free(got, unset.fault);
}

// Sends this thread a signal every 50 us until the result is destroyed.
std::jthread interrupt_this_thread() {
  signal(SIGUSR1, malloc_in_handler);
  return std::jthread([target = pthread_self()](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      pthread_kill(target, SIGUSR1);
    }
  });
}

TEST_P(EveryLock, RefusesASignalHandlerInsteadOfDeadlocking) {
  const Watchdog watchdog(60);
  Options options = sized(1 << 16);
  options.threads = GetParam();
  CheckedHeap heap(options);
  interrupted = &*heap;
  refusals = 0;
  Fault fault;
  {
    const std::jthread signals = interrupt_this_thread();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (refusals == 0 && std::chrono::steady_clock::now() < end) {
      for (int i = 0; i < 1000; ++i) EXPECT_TRUE(heap->free(heap->malloc(64, 16, fault), fault));
    }
  }
  EXPECT_GT(refusals, 0) << "No signal interrupted a call in 20 seconds.";
  EXPECT_FALSE(fault) << sentence(fault);
  heap.compare_blocks();
  EXPECT_TRUE(heap->check(fault).empty());
}

}  // namespace
}  // namespace glassheap
