// The lock: one owner at a time, a thread that comes twice is refused, and so is a signal handler
// that interrupted a call of the heap that it calls.

#include "base/lock.hpp"

#include <gtest/gtest.h>
#include <sys/time.h>

#include <csignal>
#include <thread>

#include "rig.hpp"
#include "watchdog.hpp"

namespace glassheap {
namespace {

class EveryLock : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(SharedOrNot, EveryLock, ::testing::Bool());

TEST_P(EveryLock, RefusesAThreadThatHasIt) {
  Lock lock(GetParam());
  ASSERT_TRUE(lock.lock());
  EXPECT_FALSE(lock.lock());
  {
    const Guard again(lock);
    EXPECT_FALSE(again);
  }
  EXPECT_FALSE(lock.lock()) << "The guard that did not get it gave it back.";
  lock.unlock();
  EXPECT_TRUE(lock.lock());
  lock.unlock();
}

TEST(SharedLock, KeepsOthersWaitingUntilItIsLeft) {
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

// --- A handler that comes back. ----------------------------------------------------------------

Heap* interrupted = nullptr;
std::atomic<int> refusals{0};
std::atomic<int> served{0};

void call_the_heap(int /*signal*/) {
  Fault fault;
  const Address got = interrupted->malloc(16, 16, fault);
  if (got == 0) {
    if (fault.kind == FaultKind::heap_busy) ++refusals;
    return;
  }
  ++served;
  Fault at_free;
  interrupted->free(got, at_free);
}

// Asks for the signal every 50 us of time that passes, until it goes out of scope.
class Alarm {
 public:
  Alarm() {
    struct sigaction action = {};
    action.sa_handler = call_the_heap;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, &before_);
    set(50);
  }
  ~Alarm() {
    set(0);
    sigaction(SIGALRM, &before_, nullptr);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

 private:
  static void set(long microseconds) {
    const itimerval every = {{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &every, nullptr);
  }
  struct sigaction before_ = {};
};

TEST_P(EveryLock, LetsNoSignalHandlerWaitForItself) {
  const Watchdog watchdog(60);
  Options options = sized(1 << 16);
  options.threads = GetParam();
  Rig rig(options);
  interrupted = &*rig;
  refusals = 0;
  {
    const Alarm alarm;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (refusals == 0 && std::chrono::steady_clock::now() < end) {
      for (int i = 0; i < 1000; ++i) rig.free(rig.malloc(64));
    }
  }
  EXPECT_GT(refusals, 0) << "No signal came in the middle of a call in 20 seconds.";
  EXPECT_TRUE(rig.check().empty());
  EXPECT_EQ(rig.stats().live_blocks, 0U);
}

}  // namespace
}  // namespace glassheap
