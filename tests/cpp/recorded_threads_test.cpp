// Many threads on one recorded heap: the file has the calls of each, in the order of the heap. Under
// ThreadSanitizer these tests also show that the recording is used under the heap's lock alone.

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "glassheap/announcement.hpp"
#include "limits.hpp"
#include "recorded_file.hpp"

namespace glassheap {
namespace {

using trace::Event;
using trace::EventKind;

constexpr unsigned thread_count = 4;

class RecordedThreads : public testing::Test {
 protected:
  ~RecordedThreads() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(unsigned number = 0) const {
    std::filesystem::create_directory(folder_);
    return (folder_ / std::to_string(number)).string();
  }
  [[nodiscard]] std::unique_ptr<Heap> open(Size size, unsigned number = 0) const {
    Options options;
    options.size = size;
    options.record = path(number);
    Fault fault;
    std::unique_ptr<Heap> heap = Heap::open(options, fault);
    if (heap == nullptr) throw std::runtime_error(sentence(fault));
    return heap;
  }

 private:
  const std::filesystem::path folder_ =
      testing::TempDir() + "glassheap-threads-" + std::to_string(getpid());
};

// Runs work(0), work(1), ... each in a thread of its own. Returns when all are done.
void in_threads(const std::function<void(unsigned)>& work) {
  std::vector<std::jthread> threads;
  for (unsigned id = 0; id < thread_count; ++id) threads.emplace_back(work, id);
}

// What a heap must have served, if the events are in its order: no block is handed out twice, and
// only live ones are freed.
class Replay {
 public:
  void add(const Event& event) {
    switch (event.kind) {
      case EventKind::malloc:
        return begin(event.address, event.size);
      case EventKind::realloc:
        end(event.address);
        return begin(event.result, event.size);
      case EventKind::free:
        return end(event.address);
      default:
        ++failures;
    }
  }

  std::map<Address, Size> live;
  unsigned failures = 0;

 private:
  void begin(Address payload, Size size) {
    const auto next = live.lower_bound(payload);
    EXPECT_TRUE(next == live.end() || payload + size <= next->first);
    EXPECT_TRUE(next == live.begin() || std::prev(next)->first < payload);
    live.emplace(payload, size);
  }
  void end(Address payload) { EXPECT_EQ(live.erase(payload), 1U) << payload; }
};

// The open block is full several times, and is written by the thread that fills it.
TEST_F(RecordedThreads, TheCallsOfAllThreadsAreInTheOrderOfTheHeap) {
  const auto rounds = static_cast<unsigned>(scaled(8000, 4000));
  const std::unique_ptr<Heap> heap = open(1 << 20);
  std::array<std::atomic<Address>, 64> shared{};
  in_threads([&](unsigned id) {
    Fault fault;
    for (unsigned i = 0; i < rounds; ++i) {
      const Address block = heap->malloc(7000 + id, fault = {});
      const Address grown = heap->realloc(block, 7100 + id, granule_size, fault = {});
      const Address old = shared.at((i * 7 + id) % 64).exchange(grown);
      EXPECT_TRUE(heap->free(old, fault = {}));  // of 0 too
      if (i % 100 != 0) continue;
      EXPECT_GT(heap->own_memory(fault = {}), trace::largest_frame / 4);
      heap->malloc(1 << 21, fault = {});
    }
  });
  const RecordedFile found = read_recorded(path());
  EXPECT_GT(std::filesystem::file_size(path()), 2 * trace::largest_frame) << "frames were written";
  Replay replay;
  std::map<Size, std::set<std::uint64_t>> threads;
  for (const Event& event : found.events) {
    replay.add(event);
    if (event.kind == EventKind::malloc) threads[event.size].insert(event.thread);
  }
  EXPECT_EQ(replay.failures, thread_count * ((rounds + 99) / 100));
  Fault fault;
  EXPECT_EQ(replay.live.size(), heap->stats(fault).live_blocks);
  ASSERT_EQ(threads.size(), thread_count);
  for (const auto& [size, of_size] : threads) EXPECT_EQ(of_size.size(), 1U) << size;
}

// Numbers of tags are given again, and then defined again in the file.
TEST_F(RecordedThreads, ATagIsThatOfTheThreadThatAnnouncedIt) {
  const auto rounds = static_cast<unsigned>(scaled(3000, 1000));
  const std::unique_ptr<Heap> heap = open(1 << 16);
  in_threads([&](unsigned id) {
    for (unsigned i = 0; i < rounds; ++i) {
      const Tag tag(*heap, std::to_string(id) + "-" + std::to_string(i));
      const Announcement announced(*heap, tag.id());
      Fault fault;
      const Address payload = heap->malloc(100 + id, fault);
      tag.put_on(payload);
      heap->free(payload, fault);
    }
  });
  const RecordedFile found = read_recorded(path());
  std::array<unsigned, thread_count> next{};
  for (std::size_t i = 0; i < found.events.size(); ++i) {
    if (found.events[i].kind != EventKind::malloc) continue;
    const auto id = static_cast<unsigned>(found.events[i].size - 100);
    EXPECT_EQ(found.tags[i], std::to_string(id) + "-" + std::to_string(next.at(id)++));
  }
}

TEST_F(RecordedThreads, ACallBesideTheEndOfTheHeapIsRecordedOrRefused) {
  const std::unique_ptr<Heap> heap = open(1 << 16);
  std::atomic<unsigned> served = 0;
  in_threads([&](unsigned id) {
    Fault fault;
    for (unsigned i = 0; id != 0 || i < 300; ++i) {
      const Address payload = heap->malloc(16, fault = {});
      served += payload == 0 ? 0 : 1;
      served += payload != 0 && heap->free(payload, fault = {}) ? 1 : 0;
      if (fault) break;
    }
    if (id == 0) heap->close(fault = {});
    EXPECT_EQ(fault.kind, id == 0 ? FaultKind::none : FaultKind::heap_closed);
  });
  EXPECT_EQ(read_recorded(path()).events.size(), served);
}

// All recordings of a process are in one list, for its forks.
TEST_F(RecordedThreads, HeapsBeginAndEndTheirRecordingsSideBySide) {
  in_threads([&](unsigned id) {
    for (unsigned i = 0; i < 30; ++i) {
      const std::unique_ptr<Heap> heap = open(4096, id);
      Fault fault;
      heap->malloc(i, fault);
      const RecordedFile found = read_recorded(path(id));
      ASSERT_EQ(found.events.size(), 1U);
      EXPECT_EQ(found.events[0].size, i);
    }
  });
}

}  // namespace
}  // namespace glassheap
