// crashing.hpp: a process that is killed between two stores of a call, and what is left of it.
//
// The program that includes this is linked with a library whose stores are followed by crash
// points. A trial is: a fresh shared heap, some blocks in it, a child that makes a call and is
// killed at its n-th store. n goes up until the call comes to its end.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "glassheap/shared_heap.hpp"
#include "shared/superblock.hpp"
#include "variants.hpp"

namespace glassheap {

// The store at which this process ends; none while it is 0.
extern std::uint64_t stores_left;

// What both sides of a fork see.
class SharedBytes {
 public:
  explicit SharedBytes(std::size_t size) : size_(size) {
    void* const memory =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(memory);
  }
  ~SharedBytes() { munmap(data_, size_); }
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] SegmentLocation place() const {
    SegmentLocation place;
    place.data = data_;
    place.size = size_;
    return place;
  }
  [[nodiscard]] SharedHeap::Opening opening(double timeout = 10) const {
    SharedHeap::Opening how;
    how.location = place();
    how.timeout = timeout;
    return how;
  }

 private:
  std::size_t size_;
  std::byte* data_ = nullptr;
};

// A segment for some pages of blocks.
inline constexpr Size page = shared::page;
inline constexpr Size for_some_blocks = (sizeof(shared::Superblock) / page + 5) * page;

[[nodiscard]] inline std::unique_ptr<SharedHeap> made_in(const SharedBytes& bytes,
                                                         const Options& options) {
  Fault fault;
  auto heap = SharedHeap::create(options, bytes.opening(), fault);
  if (heap == nullptr) throw std::runtime_error(sentence(fault));
  return heap;
}

[[nodiscard]] inline std::unique_ptr<SharedHeap> attached_to(const SharedBytes& bytes) {
  Fault fault;
  auto heap = SharedHeap::attach(bytes.opening(), "", fault);
  if (heap == nullptr) throw std::runtime_error(sentence(fault));
  return heap;
}

// How a child ended that did `work`: whether it was killed.
template <typename Work>
[[nodiscard]] bool killed_in_a_child(Work work) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // a child that waits for ever is ended, by another signal
    work();
    stores_left = 0;
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  EXPECT_TRUE(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << "status " << status;
  return killed;
}

}  // namespace glassheap
