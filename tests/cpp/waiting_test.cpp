// Waiting: in naps, around which the program's hook is called, without the heap's lock, until the
// time is over or the hook ends the wait.

#include "base/waiting.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "core/policy_list.hpp"
#include "heap/scoped_access.hpp"
#include "limits.hpp"

namespace glassheap {
namespace {

using namespace std::chrono_literals;

// --- The hook. ---------------------------------------------------------------------------------

// Counts naps, and ends the wait at the nap with this number.
struct CountingHook {
  static inline std::atomic<int> naps = 0;
  static inline std::atomic<int> last = 0;

  static void* before() { return &naps; }
  static bool after(void* from_before, bool may_end) {
    EXPECT_EQ(from_before, &naps);
    return ++naps != last || !may_end;
  }
};

class WaitingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CountingHook::naps = 0;
    CountingHook::last = 0;
    set_nap_hook(&hook);
  }
  void TearDown() override { set_nap_hook(nullptr); }

  static constexpr NapHook hook{CountingHook::before, CountingHook::after};
  Watchdog watchdog{60};
};

TEST_F(WaitingTest, AttemptsOnceMoreWhenTheTimeIsOver) {
  Wait wait(0.03);
  const auto began = Wait::Clock::now();
  while (wait.nap() == FaultKind::none) {
  }
  EXPECT_GE(Wait::Clock::now() - began, 30ms);
  EXPECT_EQ(wait.nap(), FaultKind::lock_timeout);
  EXPECT_GE(CountingHook::naps, 1);
}

TEST_F(WaitingTest, NapsNotAtAllWithoutTime) {
  EXPECT_EQ(Wait(0).nap(), FaultKind::lock_timeout);
  EXPECT_EQ(CountingHook::naps, 0);
}

TEST_F(WaitingTest, EndsWhenTheHookSaysSo) {
  Wait wait(WaitMode::interruptible);
  CountingHook::last = 2;
  EXPECT_EQ(wait.nap(), FaultKind::none);
  EXPECT_EQ(wait.nap(), FaultKind::interrupted);
}

TEST_F(WaitingTest, CallsNoHookWhereItMustNot) {
  EXPECT_EQ(Wait(WaitMode::without_hook).nap(), FaultKind::none);
  EXPECT_EQ(CountingHook::naps, 0);
}

// --- For another thread. -----------------------------------------------------------------------

// Holds a lock in another thread until a number of naps have begun.
std::jthread hold(Lock& lock, int naps) {
  std::atomic<bool> held{false};
  std::jthread holder([&lock, &held, naps] {
    EXPECT_EQ(lock.lock(), FaultKind::none);
    held = true;
    held.notify_one();
    while (CountingHook::naps < naps) std::this_thread::sleep_for(1ms);
    lock.unlock();
  });
  held.wait(false);
  return holder;
}

TEST_F(WaitingTest, ForALockIsInterrupted) {
  Lock lock(true);
  CountingHook::last = 2;
  const std::jthread holder = hold(lock, 3);
  EXPECT_EQ(lock.lock(), FaultKind::interrupted);
  EXPECT_EQ(lock.lock(WaitMode::uninterrupted), FaultKind::none);
  lock.unlock();
}

TEST_F(WaitingTest, ForALockEndsWhenItIsFree) {
  Lock lock(true);
  const std::jthread holder = hold(lock, 3);
  const Guard guard(lock);
  EXPECT_TRUE(guard);
}

// --- For another process. ----------------------------------------------------------------------

// Another process is inside until a number of attempts to enter have been made.
class OtherProcess final : public SharingHooks {
 public:
  OtherProcess(int attempts, double timeout) : attempts_(attempts), timeout_(timeout) {}

  FaultKind on_enter(CoreInterface& /*core*/, SharedState& /*state*/) noexcept override {
    return attempts_-- > 0 ? FaultKind::lock_timeout : FaultKind::none;
  }
  void nap(Wait::Duration longest) noexcept override {
    EXPECT_EQ(lock->lock(), FaultKind::none) << "a thread napped with the heap's lock";
    lock->unlock();
    if (during_nap) during_nap();
    std::this_thread::sleep_for(longest);
  }
  [[nodiscard]] double timeout() const noexcept override { return timeout_; }
  void on_leave(CoreInterface& /*core*/, const SharedState& /*state*/) noexcept override { ++left; }
  CoreState* on_plain_enter(CoreInterface& /*core*/) noexcept override { return nullptr; }
  void on_plain_leave() noexcept override {}
  void on_free(Offset /*payload*/) noexcept override {}
  void on_reset() noexcept override {}
  void on_close() noexcept override {}
  [[nodiscard]] bool owns(Offset /*payload*/) const noexcept override { return true; }
  [[nodiscard]] WaitLine& line() noexcept override { return line_; }
  [[nodiscard]] Waiter waiter() const noexcept override { return 1; }
  [[nodiscard]] bool is_alive(Waiter /*waiter*/) const noexcept override { return true; }
  [[nodiscard]] std::uint64_t recovered() const noexcept override { return 0; }

  Lock* lock = nullptr;
  std::function<void()> during_nap;
  int left = 0;

 private:
  int attempts_;
  double timeout_;
  WaitLine line_;
};

struct WaitingHeap {
  explicit WaitingHeap(int attempts, double timeout) {
    auto hooks = std::make_unique<OtherProcess>(attempts, timeout);
    other = hooks.get();
    Options options;
    Region region = Region::map(options.size, granule_size, 0);
    auto core = make_core({region.data(), region.size()}, options);
    core->seed();
    state =
        std::make_unique<HeapState>(options, std::move(region), std::move(core), std::move(hooks));
    other->lock = &state->lock;
  }
  // The fault of a call, after which the lock is free, and left as often as it was entered.
  FaultKind call() {
    Fault fault;
    const bool called = state->write(fault, [](HeapState&) { return true; });
    EXPECT_EQ(called, !fault);
    EXPECT_EQ(other->left, called ? 1 : 0);
    EXPECT_EQ(state->lock.lock(), FaultKind::none);
    state->lock.unlock();
    return fault.kind;
  }

  OtherProcess* other;
  std::unique_ptr<HeapState> state;
};

constexpr int for_ever = 1'000'000;

TEST_F(WaitingTest, ForAProcessEndsWhenItLeaves) {
  EXPECT_EQ(WaitingHeap(5, 30).call(), FaultKind::none);
  EXPECT_EQ(CountingHook::naps, 5);
}

TEST_F(WaitingTest, ForAProcessEndsWithTheTimeout) {
  EXPECT_EQ(WaitingHeap(for_ever, 0.02).call(), FaultKind::lock_timeout);
}

TEST_F(WaitingTest, ForAProcessIsInterrupted) {
  CountingHook::last = 3;
  EXPECT_EQ(WaitingHeap(for_ever, 30).call(), FaultKind::interrupted);
}

TEST_F(WaitingTest, ForAProcessEndsWhenTheHeapIsClosed) {
  WaitingHeap heap(for_ever, 30);
  heap.other->during_nap = [&] { heap.state->core.reset(); };
  EXPECT_EQ(heap.call(), FaultKind::heap_closed);
}

}  // namespace
}  // namespace glassheap
