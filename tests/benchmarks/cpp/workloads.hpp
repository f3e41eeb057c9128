// workloads.hpp: the workloads that are played on a heap.
//
//     trace   a recorded program, from its first operation to its last, repeatedly
//     churn   N live blocks; free one at random, allocate a new one
//     lifo    malloc(64), free, on a heap that is otherwise empty
//
// A step is an operation of a trace, or a pair of free and malloc. Each workload keeps the blocks
// in an array of pointers and sizes, the same for every heap (a few need the size to free), and
// writes one byte into each new block, as a program would write something.
//
// A heap under test has three calls. `allocate` and `reallocate` return a null pointer if they are
// refused, and the workload then stops. The calls are not virtual: each pair of heap and workload
// is compiled separately, so that no heap pays for an interface that another one needs.
#pragma once

#include <algorithm>
#include <concepts>
#include <memory>
#include <string>
#include <vector>

#include "glassheap/types.hpp"

namespace bench {

using glassheap::Size;

template <typename H>
concept HeapUnderTest = requires(H heap, void* block, Size size) {
  { heap.allocate(size) } -> std::same_as<void*>;
  { heap.reallocate(block, size, size) } -> std::same_as<void*>;  // a block, its size, its new size
  heap.release(block, size);
};

struct Held {
  void* at = nullptr;
  Size size = 0;
};

// Stores the new block in `held`. Returns false if it was refused. A block of 0 bytes is not
// written to: the byte at its address belongs to the heap.
inline bool hold(Held& held, void* at, Size size) {
  if (at == nullptr) return false;
  if (size != 0) *static_cast<volatile char*>(at) = 1;
  held = {at, size};
  return true;
}

// The region for blocks that take at most `peak` bytes at once, headers and rounding included.
[[nodiscard]] constexpr Size region_for(Size peak) noexcept { return 2 * peak + 65536; }

// Each workload has these members:
//
//     region()               the usual size of the region
//     iteration_steps()      the number of steps that are measured together
//     warmup_steps()         the number of steps after which a heap is in its steady state
//     fill(heap)             brings a fresh heap to the start of the workload; false if refused
//     play(heap, steps)      plays at most so many steps; returns how many, or 0 if refused

// --- Traces. -----------------------------------------------------------------------------------

enum class Action : std::uint8_t { allocate, reallocate, release };  // as in glassheap.traces

struct Operation {
  Action action;
  std::uint32_t block;  // its index, from 0
  Size size;            // bytes of the block afterwards; 0 for a release
};

struct Trace {
  std::string name;
  std::vector<Operation> operations = {};
  std::size_t blocks = 0;  // the number of different blocks
  Size peak = 0;           // bytes of the blocks at the fullest moment, with headers and rounding
};

// Reads a file that measure.py has written. Its operations are valid: a release or reallocation is
// of a live block, an allocation of a dead one. No block is left at the end, so that the trace can
// be played repeatedly on one heap. Throws std::runtime_error if the file is none.
[[nodiscard]] Trace read_trace(const std::string& path);

class TraceWorkload {
 public:
  explicit TraceWorkload(std::shared_ptr<const Trace> trace)
      : trace_(std::move(trace)), held_(trace_->blocks) {}

  [[nodiscard]] Size region() const { return region_for(trace_->peak); }
  [[nodiscard]] std::uint64_t iteration_steps() const { return trace_->operations.size(); }
  [[nodiscard]] std::uint64_t warmup_steps() const { return trace_->operations.size(); }

  template <HeapUnderTest H>
  bool fill(H& /*heap*/) {
    at_ = 0;
    return true;
  }

  template <HeapUnderTest H>
  std::uint64_t play(H& heap, std::uint64_t steps) {
    const std::size_t start = at_;
    const std::size_t stop = std::min<std::size_t>(start + steps, trace_->operations.size());
    for (std::size_t i = start; i < stop; ++i) {
      if (!step(heap, trace_->operations[i])) return 0;
    }
    at_ = stop == trace_->operations.size() ? 0 : stop;
    return stop - start;
  }

 private:
  template <HeapUnderTest H>
  bool step(H& heap, const Operation& operation) {
    Held& held = held_[operation.block];
    const Size size = operation.size;
    if (operation.action == Action::allocate) return hold(held, heap.allocate(size), size);
    if (operation.action == Action::release) return heap.release(held.at, held.size), true;
    return hold(held, heap.reallocate(held.at, held.size, size), size);
  }

  std::shared_ptr<const Trace> trace_;
  std::vector<Held> held_;
  std::size_t at_ = 0;
};

// --- Churns. -----------------------------------------------------------------------------------

//     uniform      16 to 512 bytes, all equally likely
//     log-normal   the logarithm is normal: median 64 bytes, sigma 1.5, from 1 byte to 64 KiB; many
//                  small blocks and a few very large ones, as in real programs
enum class Sizes : std::uint8_t { uniform, log_normal };

struct Replacement {
  std::uint32_t block;  // the block to replace
  std::uint32_t size;   // bytes of the new block
};

// The replacements of a churn. Drawing a number takes about as long as a fast malloc, so all are
// drawn before the clock starts, and then read from a ring, which is too long for a branch
// predictor to learn. The generator and the arithmetic are fixed, so every machine has the same.
struct ChurnScript {
  std::vector<std::uint32_t> first_sizes;  // bytes of each block at the beginning
  std::vector<Replacement> ring;           // a power of two of them
  Size peak = 0;                           // as of a trace
};

// For `live` blocks, from 1 up.
[[nodiscard]] ChurnScript draw_churn(std::uint32_t live, Sizes sizes);

class ChurnWorkload {
 public:
  ChurnWorkload(std::uint32_t live, Sizes sizes) : script_(draw_churn(live, sizes)), held_(live) {}

  [[nodiscard]] Size region() const { return region_for(script_.peak); }
  [[nodiscard]] static std::uint64_t iteration_steps() { return 1024; }
  // After two replacements per block, one in seven of the first blocks is left.
  [[nodiscard]] std::uint64_t warmup_steps() const { return 2 * held_.size(); }

  template <HeapUnderTest H>
  bool fill(H& heap) {
    at_ = 0;
    for (std::size_t i = 0; i < held_.size(); ++i) {
      const Size size = script_.first_sizes[i];
      if (!hold(held_[i], heap.allocate(size), size)) return false;
    }
    return true;
  }

  template <HeapUnderTest H>
  std::uint64_t play(H& heap, std::uint64_t steps) {
    const std::size_t mask = script_.ring.size() - 1;
    for (const std::size_t stop = at_ + steps; at_ < stop; ++at_) {
      const Replacement replacement = script_.ring[at_ & mask];
      Held& held = held_[replacement.block];
      heap.release(held.at, held.size);
      if (!hold(held, heap.allocate(replacement.size), replacement.size)) return 0;
    }
    return steps;
  }

 private:
  ChurnScript script_;
  std::vector<Held> held_;
  std::size_t at_ = 0;
};

// --- One block at a time. ----------------------------------------------------------------------

class LifoWorkload {
 public:
  static constexpr Size block_size = 64;

  [[nodiscard]] static Size region() { return region_for(glassheap::granule_size + block_size); }
  [[nodiscard]] static std::uint64_t iteration_steps() { return 1024; }
  [[nodiscard]] static std::uint64_t warmup_steps() { return 10'000; }

  template <HeapUnderTest H>
  bool fill(H& /*heap*/) {
    return true;
  }

  template <HeapUnderTest H>
  std::uint64_t play(H& heap, std::uint64_t steps) {
    for (std::uint64_t i = 0; i < steps; ++i) {
      if (!hold(held_, heap.allocate(block_size), block_size)) return 0;
      heap.release(held_.at, held_.size);
    }
    return steps;
  }

 private:
  Held held_;
};

}  // namespace bench
