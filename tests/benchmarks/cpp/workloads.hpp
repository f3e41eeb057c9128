// workloads.hpp: the workloads that are played on a heap.
//
//     trace   a recorded program, from its first operation to its last, repeatedly
//     churn   N live blocks; free one at random, allocate a new one
//     lifo    malloc(64), free, on a heap that is otherwise empty
//
// All of them are lists of operations, so the loop that plays them costs every heap the same. It
// keeps the blocks in an array of pointers and sizes (a few heaps need the size to free), and writes
// one byte into each new block, as a program would write something.
//
// A heap under test has the two calls of the concept, and may have `reallocate`. A null
// pointer is a refusal, and the workload then stops. The calls are not virtual: the loop is compiled
// for each heap, so that no heap pays for an interface that another one needs.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "glassheap/types.hpp"

namespace bench {

using glassheap::Size;

template <typename H>
concept HeapUnderTest = requires(H heap, void* block, Size size) {
  { heap.allocate(size) } -> std::same_as<void*>;
  heap.release(block, size);  // a block and its size
};

enum class Action : char { allocate = 'a', reallocate = 'r', release = 'f' };

struct Operation {
  Action action;
  std::uint32_t block;  // its index, from 0
  std::uint32_t size;   // bytes of the block afterwards; 0 after a release
};

struct Workload {
  std::vector<Operation> fill = {};  // brings a fresh heap to the start of the loop
  std::vector<Operation> loop = {};  // can be played repeatedly
  std::size_t step = 1;              // operations in a step: 2 in a pair of free and malloc
  std::size_t batch = 0;             // operations that are measured together
  std::size_t warmup = 0;            // operations after which a heap is in its steady state
  std::size_t blocks = 1;            // the number of different blocks
  Size region = 0;                   // the usual size of the region
  Size payload = 0;                  // the most bytes that are in use at once, as requested
};

// Reads a file that placement.py has written, an operation a line: `a` or `r`, block, size; or `f`,
// block, 0. Its operations are valid, and no block is left at the end. Throws std::runtime_error if
// it has no operation, or a line that is none.
[[nodiscard]] Workload read_trace(const std::string& path);

//     uniform      16 to 512 bytes, all equally likely
//     log_normal   the logarithm is normal: median 64 bytes, sigma 1.5, from 1 byte to 64 KiB; many
//                  small blocks and a few very large ones, as in real programs
enum class Sizes : std::uint8_t { uniform, log_normal };

// Draws a churn of `live` blocks, from 1 up. Drawing a number takes about as long as a fast malloc,
// so all are drawn beforehand, with a fixed seed, and the loop is too long for a branch predictor to
// learn.
[[nodiscard]] Workload draw_churn(std::uint32_t live, Sizes sizes);

[[nodiscard]] Workload make_lifo();

// Plays a workload on a heap.
template <HeapUnderTest H>
class Player {
 public:
  explicit Player(const Workload& workload) : workload_(workload), held_(workload.blocks) {}

  // Brings a fresh heap to the start of the loop. Returns false if it refuses.
  bool fill(H& heap) {
    at_ = 0;
    return play(heap, std::span(workload_.fill));
  }

  // Plays the next `count` operations of the loop. Returns false if the heap refuses one.
  bool play(H& heap, std::size_t count) {
    const std::span loop(workload_.loop);
    while (count > 0) {
      const std::size_t part = std::min(count, loop.size() - at_);
      if (!play(heap, loop.subspan(at_, part))) return false;
      at_ = (at_ + part) % loop.size();
      count -= part;
    }
    return true;
  }

  // Releases all blocks.
  void clear(H& heap) {
    for (Held& held : held_)
      if (held.at != nullptr) heap.release(std::exchange(held.at, nullptr), held.size);
  }

 private:
  struct Held {
    void* at = nullptr;
    Size size = 0;
  };

  bool play(H& heap, std::span<const Operation> operations) {
    for (const auto& [action, block, size] : operations) {
      Held& held = held_[block];
      if (action == Action::release) {
        heap.release(held.at, held.size);
        held.at = nullptr;
      } else {
        void* const at =
            action == Action::allocate ? heap.allocate(size) : resize(heap, held, size);
        if (!hold(held, at, size)) return false;
      }
    }
    return true;
  }

  // In a heap without `reallocate` the block is moved.
  static void* resize(H& heap, const Held& held, Size size) {
    if constexpr (requires { heap.reallocate(held.at, size); }) {
      return heap.reallocate(held.at, size);
    } else {
      void* const moved = heap.allocate(size);
      if (moved == nullptr) return nullptr;
      std::memcpy(moved, held.at, std::min(held.size, size));
      heap.release(held.at, held.size);
      return moved;
    }
  }

  // Returns false if the new block was refused. A block of 0 bytes is not written to: the byte at
  // its address belongs to the heap.
  static bool hold(Held& held, void* at, Size size) {
    if (at == nullptr) return false;
    if (size != 0) *static_cast<volatile char*>(at) = 1;
    held = {at, size};
    return true;
  }

  const Workload& workload_;
  std::vector<Held> held_;
  std::size_t at_ = 0;
};

}  // namespace bench
