// The lock of a shared heap with any number in its word, and the locks that tell who lives.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "glassheap/shared_heap.hpp"
#include "printing.hpp"
#include "shared/lock_word.hpp"
#include "shared/publication.hpp"

namespace glassheap::shared {
namespace {

// A heap in memory that is shared by fork.
class SharedMemory : public ::testing::Test {
 protected:
  SharedMemory() {
    how_.location.data = static_cast<std::byte*>(
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    how_.location.size = bytes;
    how_.timeout = 10;
    heap_ = SharedHeap::create({}, how_, fault_);
  }
  ~SharedMemory() override {
    heap_.reset();
    munmap(how_.location.data, bytes);
  }

  [[nodiscard]] Superblock& block() const {
    return *std::bit_cast<Superblock*>(how_.location.data);
  }
  [[nodiscard]] std::unique_ptr<SharedHeap> attached(double timeout) {
    how_.timeout = timeout;
    return SharedHeap::attach(how_, "", fault_);
  }
  void expect_usable(SharedHeap& heap) {
    const Address one = heap.malloc(100, granule_size, fault_);
    EXPECT_TRUE(heap.check(fault_).empty());
    EXPECT_TRUE(heap.free(one, fault_)) << sentence(fault_);
    EXPECT_EQ(block().lock.owner, 0U);
  }

  [[nodiscard]] std::unique_ptr<Segment> open_segment() const {
    Wait wait(10);
    Fault fault;
    return open_published(how_.location, wait, fault);
  }

  static constexpr Size bytes = 1 << 18;
  SharedHeap::Opening how_;
  Fault fault_;
  std::unique_ptr<SharedHeap> heap_;
};

TEST_F(SharedMemory, AnyWordIsTakenOverUnlessItsOwnerLives) {
  const auto other = attached(0.02);
  ASSERT_NE(other, nullptr) << sentence(fault_);
  for (const std::uint32_t word : {0xFFFFFFFFU, 1U << 16, 1U << 17, 0x8000U, 4097U, 4096U, 77U,
                                   1U << 16 | 4095U, std::uint32_t{heap_->number()}}) {
    SCOPED_TRACE(word);
    block().lock.owner = word;
    expect_usable(*heap_);
  }
  block().lock.owner = heap_->number();
  EXPECT_EQ(other->malloc(1, granule_size, fault_), 0U);
  EXPECT_EQ(fault_.kind, FaultKind::lock_timeout);
  fault_ = {};
  expect_usable(*heap_);
  expect_usable(*other);
}

TEST_F(SharedMemory, TheLockOfAKilledOwnerIsTakenOver) {
  const pid_t child = fork();
  if (child == 0) {
    Fault fault;
    heap_->malloc(1, granule_size, fault);
    block().lock.owner = heap_->number();
    kill(getpid(), SIGKILL);
  }
  waitpid(child, nullptr, 0);
  EXPECT_EQ(block().lock.owner, 2U);
  expect_usable(*heap_);
}

TEST_F(SharedMemory, AChildHasNoPartUntilItEnters) {
  const auto in_child = [](auto work) {
    const pid_t child = fork();
    if (child == 0) _exit(work() ? 0 : 1);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  };
  const Address before = heap_->malloc(100, granule_size, fault_);
  EXPECT_EQ(heap_->number(), 1U);
  EXPECT_TRUE(heap_->allocated_here(before));
  EXPECT_TRUE(in_child([&] {
    const bool outside = heap_->number() == 0 && !heap_->allocated_here(before);
    Fault fault;
    const Address own = heap_->malloc(100, granule_size, fault);
    return outside && heap_->number() == 2 && heap_->allocated_here(own) &&
           !heap_->allocated_here(before);
  }));
  EXPECT_EQ(heap_->number(), 1U) << "the child's end is not its parent's";
  EXPECT_TRUE(heap_->allocated_here(before));
}

// The count is right if there is never more than one owner at a time, and complete if no sleeper is
// forgotten.
TEST_F(SharedMemory, OneThreadAtATimeOwnsTheLock) {
  constexpr int rounds = 20'000;
  LockWord word;
  int count = 0;
  const auto work = [&](Number self) {
    const std::unique_ptr<Segment> segment = open_segment();
    Presence presence;
    Fault fault;
    ASSERT_TRUE(presence.open(*segment, fault));
    ASSERT_TRUE(presence.try_lock(self));
    LockSeat seat(word, presence);
    for (int i = 0; i < rounds; ++i) {
      while (seat.try_lock(self) == LockResult::taken) seat.nap(std::chrono::milliseconds(10));
      ++count;
      seat.unlock();
    }
  };
  std::thread first(work, Number{101});
  std::thread second(work, Number{102});
  work(103);
  first.join();
  second.join();
  EXPECT_EQ(count, 3 * rounds);
  EXPECT_EQ(word.owner, 0U);
}

// An attachment that takes itself to be alone makes the lock anew, under the others.
TEST_F(SharedMemory, AFileThatCannotBeAskedHasSomebody) {
  const Presence closed;
  EXPECT_TRUE(closed.has_company());
}

TEST_F(SharedMemory, AByteIsLockedUntilItsOwnerLeaves) {
  const std::unique_ptr<Segment> segment = open_segment();
  Presence one;
  Presence two;
  ASSERT_TRUE(one.open(*segment, fault_) && two.open(*segment, fault_));
  EXPECT_TRUE(one.try_lock(7));
  EXPECT_FALSE(one.is_locked(7)) << "by another one";
  EXPECT_TRUE(two.is_locked(7));
  EXPECT_FALSE(two.try_lock(7));
  EXPECT_TRUE(two.try_lock(8));
  one.leave();
  EXPECT_FALSE(two.is_locked(7));
  EXPECT_TRUE(two.has_company()) << "that of the heap";
  heap_.reset();
  EXPECT_FALSE(two.has_company());
}

}  // namespace
}  // namespace glassheap::shared
