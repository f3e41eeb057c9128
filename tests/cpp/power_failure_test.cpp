// A power failure leaves pages of various ages on the disk. Every block that was live at the last
// completed flush and untouched since is found with its bytes, by attaching or by mending.
//
// The disk is played: msync() is replaced by a function that records the pages that it is given. The
// failure comes between any two of the pages that a flush writes, or after the system has written
// any pages of its own choice.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "glassheap/shared_heap.hpp"

namespace glassheap {
namespace {

constexpr Size page_size = 4096;

// A page that the program gave to the disk.
struct Write {
  const std::byte* at;
  std::array<std::byte, page_size> bytes;
};

std::vector<Write> written;

}  // namespace
}  // namespace glassheap

// In place of the C library's.
extern "C" int msync(void* from, size_t size, int /*flags*/) {
  using glassheap::page_size;
  const auto* const first = static_cast<const std::byte*>(from);
  for (size_t at = 0; at < size; at += page_size) {
    glassheap::Write& write = glassheap::written.emplace_back();
    write.at = first + at;
    std::memcpy(write.bytes.data(), write.at, page_size);
  }
  return 0;
}

namespace glassheap {
namespace {

struct Kind {
  const char* policy;
  bool headers;
  Checks checks;
};

// Memory for an image, as long as this.
class Memory {
 public:
  explicit Memory(Size size)
      : size_(size),
        data_(static_cast<std::byte*>(
            mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~Memory() { munmap(data_, size_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  Size size_;
  std::byte* data_;
};

// Trials, and the step between two cuts, in pages.
constexpr int deaths = GLASSHEAP_SLOW_BUILD != 0 ? 3 : 15;
constexpr int mixtures = GLASSHEAP_SLOW_BUILD != 0 ? 5 : 25;
constexpr std::size_t step = GLASSHEAP_SLOW_BUILD != 0 ? 48 : 16;

void put(std::vector<std::byte>& disk, Size at, std::span<const std::byte> bytes) {
  std::ranges::copy(bytes, disk.begin() + static_cast<std::ptrdiff_t>(at));
}

class PowerFailure : public testing::TestWithParam<Kind> {
 protected:
  PowerFailure() {
    Options options;
    options.size = 3 << 19;  // a map of several pages
    options.policy = GetParam().policy;
    options.headers = GetParam().headers;
    options.checks = GetParam().checks;
    SharedHeap::Opening how;
    how.location.path = testing::TempDir() + "power-" + std::to_string(getpid());
    heap = SharedHeap::create(options, how, fault);
    if (heap == nullptr) throw std::runtime_error(sentence(fault));
  }
  ~PowerFailure() override {
    Fault ignored;
    if (heap != nullptr) static_cast<void>(heap->unlink(ignored));
  }

  [[nodiscard]] std::span<std::byte> payload(SharedHeap& in, Address address) {
    Size size = 0;
    for (const BlockInfo& info : in.walk(fault)) size = info.address == address ? info.size : size;
    auto* const first = reinterpret_cast<std::byte*>(in.address());
    return {first + address - in.base(), size};
  }

  void flush() {
    written.clear();
    ASSERT_TRUE(heap->flush(fault));
    for (const Write& write : written) first_page = std::min(first_page, write.at);
  }
  [[nodiscard]] Size place_of(const Write& write) const {
    return static_cast<Size>(write.at - first_page);
  }

  // Blocks of many sizes, filled with bytes of their own, with holes between them.
  void fill() {
    for (int i = 0; i < 900; ++i)
      blocks.push_back(heap->malloc(Size{1} + draw() % 1500, 16, fault));
    for (std::size_t i = 0; i < blocks.size(); i += 5) heap->free(blocks[i], fault);
    for (const BlockInfo& info : heap->walk(fault)) {
      if (!info.live) continue;
      auto* const first = reinterpret_cast<std::byte*>(heap->address() + info.address);
      std::memset(first, static_cast<int>(draw() % 251), info.size);
      untouched[info.address].assign(first, first + info.size);
    }
  }

  [[nodiscard]] Address any_untouched() {
    const Size number = draw() % untouched.size();
    return std::next(untouched.begin(), static_cast<std::ptrdiff_t>(number))->first;
  }

  // Frees, resizes and allocates; forgets the blocks that it touches.
  void work() {
    for (int i = 0; i < 400; ++i) {
      const Address address = any_untouched();
      untouched.erase(address);
      if (i % 3 == 0) heap->realloc(address, Size{1} + draw() % 1500, 16, fault);
      if (i % 3 == 1) heap->free(address, fault);
      const Address fresh = heap->malloc(Size{1} + draw() % 700, 16, fault);
      if (i % 4 == 0) heap->free(fresh, fault);
      fault = {};
    }
  }

  // Waits until the first page, which has the sequence number, changes; for 10 seconds at most.
  void wait_for_change(const std::vector<std::byte>& before) const {
    for (int i = 0; i < 100'000; ++i) {
      if (std::memcmp(before.data(), first_page, page_size) != 0) return;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }

  // Runs a process that takes, resizes and frees blocks, also in batches, and kills it.
  void die_at_work(std::vector<Address> addresses, std::chrono::microseconds after) {
    const std::vector<std::byte> before(first_page, first_page + page_size);
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      for (;;) {
        fault = {};
        heap->free_many(addresses, fault);
        std::vector<Size> sizes(addresses.size());
        for (Size& size : sizes) size = Size{1} + draw() % 900;
        heap->malloc_many(sizes, addresses, fault);
        for (Address& address : addresses)
          address = heap->realloc(address, Size{1} + draw() % 900, 16, fault);
      }
    }
    wait_for_change(before);
    std::this_thread::sleep_for(after);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }

  // The flushed pages, half of them replaced by later ones.
  [[nodiscard]] std::vector<std::byte> mixed(std::vector<std::byte> disk,
                                             const std::vector<std::byte>& later) {
    for (Size at = 0; at < disk.size(); at += page_size) {
      if (draw() % 2 == 0) put(disk, at, std::span(later).subspan(at, page_size));
    }
    return disk;
  }

  // Attaches to the image, or mends it for a fault or a finding, as fsck does. Returns null if neither is possible.
  std::unique_ptr<SharedHeap> opened(const Memory& memory, std::span<const std::byte> image) {
    for (const bool mend : {false, true}) {
      std::ranges::copy(image, memory.bytes().begin());
      SharedHeap::Opening how{.location = {}, .timeout = 0, .copy = true, .salvage = mend};
      how.location.data = memory.bytes().data();
      how.location.size = memory.bytes().size();
      fault = {};
      auto found = SharedHeap::attach(how, "", fault);
      if (found != nullptr && (mend || found->check(fault).empty())) return found;
      if (found != nullptr) continue;  // the fill of free memory is of another age
      EXPECT_EQ(fault.kind, FaultKind::bad_image) << sentence(fault);
      ++refused[fault.field];
    }
    return nullptr;
  }

  void expect_untouched_blocks(std::span<const std::byte> image, const std::string& when) {
    const Memory memory(image.size());
    const auto found = opened(memory, image);
    if (found == nullptr) {
      EXPECT_FALSE(GetParam().headers) << when << ": " << sentence(fault);
      ++lost;
      return;
    }
    EXPECT_TRUE(found->check(fault).empty()) << when;
    std::map<Address, Size> live;
    for (const BlockInfo& info : found->walk(fault)) {
      if (info.live) live[info.address] = info.size;
    }
    for (const auto& [address, bytes] : untouched) {
      ASSERT_EQ(live.count(address), 1) << when << ": block " << address;
      ASSERT_EQ(live[address], bytes.size()) << when << ": block " << address;
      const auto* const first = reinterpret_cast<std::byte*>(found->address() + address);
      ASSERT_EQ(std::memcmp(first, bytes.data(), bytes.size()), 0) << when;
    }
  }

  Size draw() { return random(); }

  // Other draws with --gtest_shuffle --gtest_random_seed=N.
  std::mt19937 random{static_cast<unsigned>(testing::UnitTest::GetInstance()->random_seed())};
  Fault fault;
  std::unique_ptr<SharedHeap> heap;
  const std::byte* first_page = reinterpret_cast<const std::byte*>(~std::uintptr_t{0});
  std::vector<Address> blocks;
  std::map<Address, std::vector<std::byte>> untouched;
  std::map<std::string, int> refused;
  int lost = 0;
};

std::vector<std::byte> disk_after(const std::vector<Write>& writes, const std::byte* first) {
  std::vector<std::byte> disk;
  for (const Write& write : writes) {
    const auto at = static_cast<std::size_t>(write.at - first);
    disk.resize(std::max(disk.size(), at + page_size));
    std::ranges::copy(write.bytes, disk.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return disk;
}

TEST_P(PowerFailure, AfterAFlushLeavesTheHeapAsItWas) {
  fill();
  flush();
  const auto disk = disk_after(written, first_page);
  expect_untouched_blocks(disk, "after the flush");
  EXPECT_TRUE(refused.empty());
}

// Every cut, and for speed some among the pages of the region.
TEST_P(PowerFailure, WithinAFlushLeavesWhatTheFlushBeforeItWrote) {
  fill();
  flush();
  auto disk = disk_after(written, first_page);
  work();
  flush();
  const std::vector<Write> writes = written;
  for (std::size_t cut = 0; cut < writes.size(); ++cut) {
    put(disk, place_of(writes[cut]), writes[cut].bytes);
    if (cut % step == 0 || cut + 40 > writes.size())
      expect_untouched_blocks(disk, "cut at page " + std::to_string(cut));
  }
  EXPECT_GT(refused["flushed"], 0) << "the mark told nothing";
}

TEST_P(PowerFailure, AfterTheSystemWroteAnyPagesLeavesWhatTheFlushWrote) {
  fill();
  flush();
  const auto flushed = disk_after(written, first_page);
  work();
  const std::vector<std::byte> now(first_page, first_page + flushed.size());
  for (int trial = 0; trial < mixtures; ++trial)
    expect_untouched_blocks(mixed(flushed, now), "trial " + std::to_string(trial));
}

// The process dies with the power, inside a call. It works on half of the blocks.
TEST_P(PowerFailure, WithinAnyCallLeavesWhatTheFlushWrote) {
  fill();
  std::vector<Address> touched;
  for (std::size_t i = untouched.size() / 2; i > 0; --i) {
    touched.push_back(any_untouched());
    untouched.erase(touched.back());
  }
  flush();
  const auto flushed = disk_after(written, first_page);
  for (int trial = 0; trial < deaths; ++trial) {
    std::copy(flushed.begin(), flushed.end(), const_cast<std::byte*>(first_page));
    die_at_work(touched, std::chrono::microseconds(200 + draw() % 2000));
    const std::vector<std::byte> now(first_page, first_page + flushed.size());
    EXPECT_TRUE(now != flushed) << "the process did not work";
    expect_untouched_blocks(mixed(flushed, now), "death " + std::to_string(trial));
  }
}

INSTANTIATE_TEST_SUITE_P(OfEachKind, PowerFailure,
                         testing::Values(Kind{"first_fit", true, Checks::robust},
                                         Kind{"first_fit", false, Checks::robust},
                                         Kind{"tlsf", true, Checks::debug},
                                         Kind{"buddy", true, Checks::robust},
                                         Kind{"buddy", false, Checks::robust}),
                         [](const testing::TestParamInfo<Kind>& kind) {
                           return std::string(kind.param.policy) +
                                  (kind.param.headers ? "" : "_without_headers") +
                                  (kind.param.checks == Checks::debug ? "_debug" : "");
                         });

}  // namespace
}  // namespace glassheap
