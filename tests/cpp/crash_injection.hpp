// crash_injection.hpp: kills a child process between two stores of a call on a shared heap.
//
// The program that includes this header is linked with a library that has a crash point after each
// store. One trial has a shared heap with some blocks in it, and a child that makes a call and is
// killed at its n-th store. n increases until the call completes.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "glassheap/shared_heap.hpp"
#include "shared/superblock.hpp"
#include "variants.hpp"

namespace glassheap {

// The number of stores until this process is killed; 0: it is not killed. (crash_point.cpp)
extern std::uint64_t stores_left;

// The size of a segment with a few pages of blocks.
inline constexpr Size page = shared::page;
inline constexpr Size segment_size = (sizeof(shared::Superblock) / page + 5) * page;

// Memory of that size, which is shared across a fork.
class SharedBytes {
 public:
  SharedBytes() {
    void* const memory =
        mmap(nullptr, segment_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(memory);
  }
  ~SharedBytes() { munmap(data_, segment_size); }
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
};

// Creates a shared heap in these bytes; or, without options, attaches to the one that is there.
[[nodiscard]] inline std::unique_ptr<SharedHeap> open_in(const SharedBytes& bytes,
                                                         const std::optional<Options>& options) {
  SharedHeap::Opening opening;
  opening.location.data = bytes.data();
  opening.location.size = segment_size;
  opening.timeout = 10;
  Fault fault;
  auto heap = options ? SharedHeap::create(*options, opening, fault)
                      : SharedHeap::attach(opening, "", fault);
  if (heap == nullptr) throw std::runtime_error(sentence(fault));
  return heap;
}

// The pid of the last child.
inline pid_t last_child = 0;

// Runs `work` in a child process. Returns true if the child was killed, false if it completed.
template <typename Work>
[[nodiscard]] bool killed_in_child(Work work) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // ends a child that hangs, by another signal
    work();
    stores_left = 0;
    _exit(0);
  }
  last_child = child;
  int status = 0;
  waitpid(child, &status, 0);
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  EXPECT_TRUE(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << "status " << status;
  return killed;
}

}  // namespace glassheap
