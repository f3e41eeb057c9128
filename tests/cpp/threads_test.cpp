// Many threads on one heap. Each fills its blocks with a pattern of its own and looks for it again:
// two threads that were given the same byte would see it. Run under ThreadSanitizer, it also shows
// that every access to what the heap keeps is ordered by its lock.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

#include "effort.hpp"
#include "my_malloc.h"
#include "rig.hpp"

namespace glassheap {
namespace {

constexpr unsigned thread_count = 8;

// Runs work(0), work(1), ... each in a thread of its own, until all are done.
void in_threads(const std::function<void(unsigned)>& work) {
  std::vector<std::jthread> threads;
  for (unsigned id = 0; id < thread_count; ++id) threads.emplace_back(work, id);
}

// One thread's blocks.
class Tenant {
 public:
  Tenant(Rig& rig, unsigned id) : rig_(rig), id_(id), random_(id) {}

  void step() {
    const unsigned choice = random_() % 8;
    if (held_.size() < 4 || (choice < 4 && held_.size() < 40)) {
      take();
    } else if (const std::size_t i = random_() % held_.size(); choice < 6) {
      resize(i);
    } else {
      give(i);
    }
  }
  void give_all() {
    while (!held_.empty()) give(held_.size() - 1);
  }
  [[nodiscard]] bool undisturbed() const { return undisturbed_; }

 private:
  struct Held {
    Handle handle;
    Size size;
  };

  void take() {
    Fault fault;
    Held held{{}, random_() % 300};
    if (!rig_->acquire(held.size, Size{16} << random_() % 3, held.handle, fault)) return;
    stamp(held);
    held_.push_back(held);
  }
  void give(std::size_t i) {
    Fault fault;
    verify(held_[i]);
    undisturbed_ &= rig_->release(held_[i].handle, fault);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  // To another size, and to a handle for it: by hand, since a handle has no realloc.
  void resize(std::size_t i) {
    const Held old = held_[i];
    verify(old);
    give(i);
    take();
  }

  [[nodiscard]] std::byte mark(Size i) const { return static_cast<std::byte>(id_ * 37 + i); }
  void stamp(const Held& held) {
    for (Size i = 0; i < held.size; ++i) rig_.at(held.handle.address)[i] = mark(i);
  }
  void verify(const Held& held) {
    for (Size i = 0; i < held.size; ++i) undisturbed_ &= rig_.at(held.handle.address)[i] == mark(i);
  }

  Rig& rig_;
  unsigned id_;
  std::mt19937 random_;
  std::vector<Held> held_;
  bool undisturbed_ = true;
};

class Threads : public EveryPolicy {};
// What a policy can be told beside has nothing to do with threads.
INSTANTIATE_TEST_SUITE_P(
    Policies, Threads,
    ::testing::ValuesIn(variants([](const Options& options) { return !options.order; })), by_name);

void expect_as_new(Rig& rig) {
  expect_all_free(rig);
  EXPECT_EQ(rig.stats().requested, 0U);
}

// Forks, uses the heap in the child, and says how that ended; a child that hangs is ended.
int status_of_child(Rig& rig) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    Fault fault;
    const Address payload = rig->malloc(16, 16, fault);
    const bool fine = payload != 0 && rig->free(payload, fault) && rig->check(fault).empty();
    _exit(fine ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST_P(Threads, EachKeepItsOwnBytes) {
  Rig rig(options(Size{1} << 18));
  in_threads([&rig](unsigned id) {
    Tenant tenant(rig, id);
    for (int i = 0; i < effort(6000, 800); ++i) tenant.step();
    tenant.give_all();
    EXPECT_TRUE(tenant.undisturbed()) << "thread " << id;
  });
  expect_as_new(rig);
}

// While the others work, one looks: what it sees is a state between two calls, and sound.
TEST_P(Threads, SeeASoundHeapAtAnyTime) {
  Rig rig(options(Size{1} << 16));
  in_threads([&rig](unsigned id) {
    Tenant tenant(rig, id);
    for (int i = 0; i < effort(800, 150); ++i) {
      if (id != 0) {
        tenant.step();
        continue;
      }
      EXPECT_TRUE(rig.check().empty());
      const Stats stats = rig.stats();
      EXPECT_EQ(stats.size,
                stats.requested + stats.overhead + stats.available + stats.free_blocks * front());
      Size covered = 0;
      for (const BlockInfo& block : rig.walk()) covered += block.extent;
      EXPECT_EQ(covered, rig->size());
      EXPECT_LE(rig.free_list().size(), rig->size() / 16);
    }
    tenant.give_all();
  });
  expect_as_new(rig);
}

// One thread's block may be freed, pinned and resized by another.
TEST_P(Threads, HandBlocksToEachOther) {
  Rig rig(options(Size{1} << 16));
  std::mutex mutex;
  std::vector<Address> common;
  in_threads([&](unsigned id) {
    std::mt19937 random(id);
    for (int i = 0; i < effort(3000, 500); ++i) {
      Fault fault;
      const Address fresh = rig->malloc(random() % 100, 16, fault);
      const std::lock_guard guard(mutex);
      if (fresh != 0) common.push_back(fresh);
      if (common.size() < 20) continue;
      std::swap(common[random() % common.size()], common.back());
      rig.free(rig.realloc(common.back(), random() % 100));
      common.pop_back();
    }
  });
  EXPECT_TRUE(rig->free_many(common, *std::make_unique<Fault>()));
  expect_as_new(rig);
}

// Eight free the same block at once, many times over: one succeeds each time, seven are refused.
TEST_P(Threads, FreeABlockOnce) {
  Rig rig(options(4096));
  for (int round = 0; round < effort(100, 30); ++round) {
    const Address payload = rig.malloc(32);
    std::atomic<int> freed{0};
    in_threads([&](unsigned) {
      Fault fault;
      freed += rig->free(payload, fault) ? 1 : 0;
    });
    ASSERT_EQ(freed, 1);
  }
  expect_as_new(rig);
}

TEST_P(Threads, TakeBatchesWhole) {
  Rig rig(options(Size{1} << 16));
  const std::vector<Size> sizes = {16, 0, 100, 48, 7, 33};
  in_threads([&](unsigned) {
    std::vector<Address> addresses(sizes.size());
    for (int i = 0; i < effort(1500, 250); ++i) {
      Fault fault;
      EXPECT_TRUE(rig->malloc_many(sizes, addresses, fault)) << sentence(fault);
      EXPECT_TRUE(rig->free_many(addresses, fault)) << sentence(fault);
    }
  });
  expect_as_new(rig);
}

// A child has a copy of the heap and one thread; whoever was inside the heap at that moment is not
// there to leave it. It may be used at once all the same, and is sound.
TEST_P(Threads, MayBeInsideWhenTheProcessForks) {
  Rig rig(options(Size{1} << 16));
  std::atomic<bool> done{false};
  std::vector<std::jthread> threads;
  for (unsigned id = 0; id < 3; ++id) {
    threads.emplace_back([&rig, &done, id] {
      Tenant tenant(rig, id);
      while (!done) tenant.step();
      tenant.give_all();
    });
  }
  for (int i = 0; i < effort(80, 20); ++i) EXPECT_EQ(status_of_child(rig), 0) << "fork " << i;
  done = true;
  threads.clear();
  expect_as_new(rig);
}

// The C interface makes its heap at first use, whoever comes first, and only once.
TEST(ThreadsInC, ShareOnePage) {
  in_threads([](unsigned id) {
    for (int i = 0; i < effort(4000, 1000); ++i) {
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
