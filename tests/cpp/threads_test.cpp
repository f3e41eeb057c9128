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

#include "every_policy.hpp"
#include "limits.hpp"
#include "my_malloc.h"

namespace glassheap {
namespace {

// Runs work(0), work(1), ... each in a thread of its own. Returns when all are done.
void in_threads(const std::function<void(unsigned)>& work) {
  std::vector<std::jthread> threads;
  for (unsigned id = 0; id < 8; ++id) threads.emplace_back(work, id);
}

// One thread: its blocks, and its random calls.
class Worker {
 public:
  Worker(const CheckedHeap& heap, unsigned id) : heap_(heap), id_(id), random_(id) {}
  ~Worker() {
    while (!held_.empty()) release(held_.size() - 1);
    EXPECT_TRUE(intact_) << "thread " << id_;
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void step() {
    const unsigned choice = random_() % 8;
    if (held_.size() >= 4 && (choice >= 4 || held_.size() >= 40)) release(random_() % held_.size());
    if (choice < 6) allocate();
  }

 private:
  struct Held {
    Handle handle;  // or its address alone
    Size size;
    bool by_handle;
  };

  void allocate() {
    Fault fault;
    Held held{{}, random_() % 300, random_() % 2 == 0};
    const Size align = Size{16} << random_() % 3;
    if (!held.by_handle) held.handle.address = heap_->malloc(held.size, align, fault);
    if (held.by_handle && !heap_->acquire(held.size, align, held.handle, fault)) return;
    if (held.handle.address == 0) return;
    for (Size i = 0; i < held.size; ++i) heap_.at(held.handle.address)[i] = mark(i);
    held_.push_back(held);
  }
  void release(std::size_t k) {
    Fault fault;
    const auto& [handle, size, by_handle] = held_[k];
    for (Size i = 0; i < size; ++i) intact_ &= heap_.at(handle.address)[i] == mark(i);
    intact_ &= by_handle ? heap_->release(handle, fault) : heap_->free(handle.address, fault);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(k));
  }
  [[nodiscard]] std::byte mark(Size i) const { return static_cast<std::byte>(id_ * 37 + i); }

  const CheckedHeap& heap_;
  unsigned id_;
  std::mt19937 random_;
  std::vector<Held> held_;
  bool intact_ = true;
};

// The settings of sequential_fit do not matter for threads, so each policy runs once per layout.
class Threads : public EveryPolicy {
 protected:
  // Afterwards every block is free; the model, which is not told of any call, has none.
  ~Threads() override {
    const Findings findings = heap_->check(fault_);
    EXPECT_TRUE(findings.empty()) << findings.front().sentence;
    EXPECT_EQ(heap_->live_blocks(fault_), 0U);
    if (coalesces_fully(options())) {
      EXPECT_EQ(heap_.view().blocks, heap_.model().walk());
    }
  }

  const CheckedHeap heap_{options(Size{1} << 16)};
  Fault fault_;
};
GLASSHEAP_FOR_EVERY(Threads, [](const Options& options) { return !options.order; });
INSTANTIATE_TEST_SUITE_P(Cached, Threads, ::testing::ValuesIn(cached_variants()), by_name);

// While they all work, one thread inspects: it sees a state between two calls, and a sound one.
TEST_P(Threads, KeepTheirOwnBytesAndSeeAConsistentHeapAtAnyTime) {
  in_threads([this](unsigned id) {
    Worker worker(heap_, id);
    for (int i = 0; i < scaled(5000, 300); ++i) {
      worker.step();
      if (id != 0 || i % 10 != 0) continue;
      Fault fault;
      EXPECT_TRUE(heap_->check(fault).empty());
      const Stats stats = heap_->stats(fault);
      EXPECT_EQ(stats.size,
                stats.requested + stats.overhead + stats.available + stats.free_blocks * front());
      Size covered = 0;
      for (const BlockInfo& block : heap_->walk(fault)) covered += block.extent;
      EXPECT_EQ(covered, heap_->size());
      EXPECT_LE(heap_->free_list(fault).size(), heap_->size() / 16);
      EXPECT_FALSE(fault) << sentence(fault);
    }
  });
}

// A block of one thread may be resized and freed by another.
TEST_P(Threads, PassBlocksToEachOther) {
  std::mutex mutex;
  std::vector<Address> common;
  in_threads([&](unsigned id) {
    std::mt19937 random(id);
    for (int i = 0; i < scaled(3000, 200); ++i) {
      Fault fault;
      const Address fresh = heap_->malloc(random() % 100, 16, fault);
      const std::lock_guard guard(mutex);
      if (fresh != 0) common.push_back(fresh);
      if (common.size() < 20) continue;
      std::swap(common[random() % common.size()], common.back());
      const Address moved = heap_->realloc(common.back(), random() % 100, 16, fault);
      EXPECT_TRUE(heap_->free(moved != 0 ? moved : common.back(), fault = {})) << sentence(fault);
      common.pop_back();
    }
  });
  EXPECT_TRUE(heap_->free_many(common, fault_)) << sentence(fault_);
}

// Eight threads free the same block at once, many times over: each time one succeeds and seven are
// refused.
TEST_P(Threads, FreeABlockExactlyOnce) {
  for (int round = 0; round < scaled(100, 12); ++round) {
    const Address payload = heap_->malloc(32, 16, fault_);
    std::atomic<int> freed{0};
    in_threads([&](unsigned) {
      Fault fault;
      freed += heap_->free(payload, fault) ? 1 : 0;
    });
    ASSERT_EQ(freed, 1);
  }
}

TEST_P(Threads, AllocateBatchesWhole) {
  in_threads([this](unsigned) {
    const std::vector<Size> sizes = {16, 0, 100, 48, 7, 33};
    std::vector<Address> payloads(sizes.size());
    for (int i = 0; i < scaled(1500, 100); ++i) {
      Fault fault;
      EXPECT_TRUE(heap_->malloc_many(sizes, payloads, fault)) << sentence(fault);
      EXPECT_TRUE(heap_->free_many(payloads, fault)) << sentence(fault);
    }
  });
}

// A child process has a copy of the heap and one thread. A thread that was in a call at the moment
// of the fork does not exist in the child and cannot complete it. Still the child's heap is sound
// and can be used at once.
TEST_P(Threads, MayBeInACallDuringAFork) {
  std::atomic<bool> done{false};
  std::vector<std::jthread> threads;
  for (unsigned id = 0; id < 3; ++id) {
    threads.emplace_back([this, &done, id] {
      Worker worker(heap_, id);
      while (!done) worker.step();
    });
  }
  for (int i = 0; i < scaled(30, 10); ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // ends a child that hangs, by a signal
      Fault fault;
      const Address payload = heap_->malloc(16, 16, fault);
      _exit(payload != 0 && heap_->free(payload, fault) && heap_->check(fault).empty() ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << "fork " << i;
  }
  done = true;
}

// The C interface makes its heap at the first call, in whichever thread that is, and only once.
TEST(ThreadsInC, ShareOneHeap) {
  in_threads([](unsigned id) {
    for (int i = 0; i < scaled(4000, 400); ++i) {
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
