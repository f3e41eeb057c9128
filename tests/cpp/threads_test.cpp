// Many threads on one heap. Each fills its blocks with a pattern of its own and verifies it later:
// two threads that got the same byte would notice. Under ThreadSanitizer these tests also show that
// every access to the heap's state is ordered by its lock.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

#include "heap_fixture.hpp"
#include "my_malloc.h"
#include "scale.hpp"

namespace glassheap {
namespace {

constexpr unsigned thread_count = 8;

// Runs work(0), work(1), ... each in a thread of its own. Returns when all are done.
void in_threads(const std::function<void(unsigned)>& work) {
  std::vector<std::jthread> threads;
  for (unsigned id = 0; id < thread_count; ++id) threads.emplace_back(work, id);
}

// One thread: its blocks, and its random calls.
class Worker {
 public:
  Worker(HeapFixture& heap, unsigned id) : heap_(heap), id_(id), random_(id) {}

  void step() {
    const unsigned choice = random_() % 8;
    if (held_.size() < 4 || (choice < 4 && held_.size() < 40)) {
      allocate();
    } else if (const std::size_t i = random_() % held_.size(); choice < 6) {
      resize(i);
    } else {
      release(i);
    }
  }
  void release_all() {
    while (!held_.empty()) release(held_.size() - 1);
  }
  [[nodiscard]] bool intact() const { return intact_; }

 private:
  struct Held {
    Handle handle;
    Size size;
  };

  void allocate() {
    Fault fault;
    Held held{{}, random_() % 300};
    if (!heap_->acquire(held.size, Size{16} << random_() % 3, held.handle, fault)) return;
    stamp(held);
    held_.push_back(held);
  }
  void release(std::size_t i) {
    Fault fault;
    verify(held_[i]);
    intact_ &= heap_->release(held_[i].handle, fault);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  // Replaces a block by a new one: a handle has no realloc.
  void resize(std::size_t i) {
    const Held old = held_[i];
    verify(old);
    release(i);
    allocate();
  }

  [[nodiscard]] std::byte mark(Size i) const { return static_cast<std::byte>(id_ * 37 + i); }
  void stamp(const Held& held) {
    for (Size i = 0; i < held.size; ++i) heap_.at(held.handle.address)[i] = mark(i);
  }
  void verify(const Held& held) {
    for (Size i = 0; i < held.size; ++i) intact_ &= heap_.at(held.handle.address)[i] == mark(i);
  }

  HeapFixture& heap_;
  unsigned id_;
  std::mt19937 random_;
  std::vector<Held> held_;
  bool intact_ = true;
};

class Threads : public EveryPolicy {};
// The settings of sequential_fit do not matter for threads, so each policy runs once per layout.
INSTANTIATE_TEST_SUITE_P(
    Policies, Threads,
    ::testing::ValuesIn(variants([](const Options& options) { return !options.order; })), by_name);

void expect_empty(HeapFixture& heap) {
  expect_all_free(heap);
  EXPECT_EQ(heap.stats().requested, 0U);
}

// Forks and uses the heap in the child. Returns the child's exit status; a child that hangs is
// ended by a signal.
int child_status(HeapFixture& heap) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    Fault fault;
    const Address payload = heap->malloc(16, 16, fault);
    const bool fine = payload != 0 && heap->free(payload, fault) && heap->check(fault).empty();
    _exit(fine ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST_P(Threads, KeepTheirOwnBytes) {
  HeapFixture heap(options(Size{1} << 18));
  in_threads([&heap](unsigned id) {
    Worker worker(heap, id);
    for (int i = 0; i < scaled(6000, 800); ++i) worker.step();
    worker.release_all();
    EXPECT_TRUE(worker.intact()) << "thread " << id;
  });
  expect_empty(heap);
}

// While the others work, one thread inspects: it sees a state between two calls, and a sound one.
TEST_P(Threads, SeeAConsistentHeapAtAnyTime) {
  HeapFixture heap(options(Size{1} << 16));
  in_threads([&heap](unsigned id) {
    Worker worker(heap, id);
    for (int i = 0; i < scaled(800, 150); ++i) {
      if (id != 0) {
        worker.step();
        continue;
      }
      EXPECT_TRUE(heap.check().empty());
      const Stats stats = heap.stats();
      EXPECT_EQ(stats.size,
                stats.requested + stats.overhead + stats.available + stats.free_blocks * front());
      Size covered = 0;
      for (const BlockInfo& block : heap.walk()) covered += block.extent;
      EXPECT_EQ(covered, heap->size());
      EXPECT_LE(heap.free_list().size(), heap->size() / 16);
    }
    worker.release_all();
  });
  expect_empty(heap);
}

// A block of one thread may be freed, pinned and resized by another.
TEST_P(Threads, PassBlocksToEachOther) {
  HeapFixture heap(options(Size{1} << 16));
  std::mutex mutex;
  std::vector<Address> common;
  in_threads([&](unsigned id) {
    std::mt19937 random(id);
    for (int i = 0; i < scaled(3000, 500); ++i) {
      Fault fault;
      const Address fresh = heap->malloc(random() % 100, 16, fault);
      const std::lock_guard guard(mutex);
      if (fresh != 0) common.push_back(fresh);
      if (common.size() < 20) continue;
      std::swap(common[random() % common.size()], common.back());
      heap.free(heap.realloc(common.back(), random() % 100));
      common.pop_back();
    }
  });
  EXPECT_TRUE(heap->free_many(common, *std::make_unique<Fault>()));
  expect_empty(heap);
}

// Eight threads free the same block at once, many times over: each time one succeeds and seven are
// refused.
TEST_P(Threads, FreeABlockExactlyOnce) {
  HeapFixture heap(options(4096));
  for (int round = 0; round < scaled(100, 30); ++round) {
    const Address payload = heap.malloc(32);
    std::atomic<int> freed{0};
    in_threads([&](unsigned) {
      Fault fault;
      freed += heap->free(payload, fault) ? 1 : 0;
    });
    ASSERT_EQ(freed, 1);
  }
  expect_empty(heap);
}

TEST_P(Threads, AllocateBatchesWhole) {
  HeapFixture heap(options(Size{1} << 16));
  const std::vector<Size> sizes = {16, 0, 100, 48, 7, 33};
  in_threads([&](unsigned) {
    std::vector<Address> addresses(sizes.size());
    for (int i = 0; i < scaled(1500, 250); ++i) {
      Fault fault;
      EXPECT_TRUE(heap->malloc_many(sizes, addresses, fault)) << sentence(fault);
      EXPECT_TRUE(heap->free_many(addresses, fault)) << sentence(fault);
    }
  });
  expect_empty(heap);
}

// A child process has a copy of the heap and one thread. A thread that was in a call at the moment
// of the fork does not exist in the child and cannot complete it. Still the child's heap is sound
// and can be used at once.
TEST_P(Threads, MayBeInACallDuringAFork) {
  HeapFixture heap(options(Size{1} << 16));
  std::atomic<bool> done{false};
  std::vector<std::jthread> threads;
  for (unsigned id = 0; id < 3; ++id) {
    threads.emplace_back([&heap, &done, id] {
      Worker worker(heap, id);
      while (!done) worker.step();
      worker.release_all();
    });
  }
  for (int i = 0; i < scaled(80, 20); ++i) EXPECT_EQ(child_status(heap), 0) << "fork " << i;
  done = true;
  threads.clear();
  expect_empty(heap);
}

// The C interface makes its heap at the first call, in whichever thread that is, and only once.
TEST(ThreadsInC, ShareOneHeap) {
  in_threads([](unsigned id) {
    for (int i = 0; i < scaled(4000, 1000); ++i) {
      auto* const bytes = static_cast<unsigned char*>(my_malloc(64));
      if (bytes == nullptr) continue;
      std::memset(bytes, static_cast<int>(id), 64);
      std::this_thread::yield();
      for (int k = 0; k < 64; ++k) EXPECT_EQ(bytes[k], id);
      my_free(bytes);
    }
  });
  EXPECT_EQ(available_memory(), 4080U);
}

}  // namespace
}  // namespace glassheap
