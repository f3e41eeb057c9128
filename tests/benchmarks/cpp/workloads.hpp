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
#include <string>
#include <variant>
#include <vector>

#include "churn_script.hpp"
#include "trace.hpp"

namespace bench {

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

// Allocates a block into `held`. Returns false if the heap refuses. A block of 0 bytes is not
// written to: the byte at its address belongs to the heap.
template <HeapUnderTest H>
bool place(H& heap, Held& held, Size size) {
  void* const at = heap.allocate(size);
  if (at == nullptr) return false;
  if (size != 0) *static_cast<volatile char*>(at) = 1;
  held = {at, size};
  return true;
}

// Each workload has these members:
//
//     fill(heap)         brings the heap to the start of the workload; false if it was refused
//     play(heap, steps)  plays at most so many steps; returns how many, or 0 if it was refused
//     peak_bytes()       the most bytes that its blocks take at once, headers and rounding included
//     warmup_steps()     the number of steps after which a heap is in its steady state
//     cycle_steps()      the number of steps that are only measured together

class TraceWorkload {
 public:
  explicit TraceWorkload(Trace trace) : trace_(std::move(trace)), held_(trace_.blocks) {}

  [[nodiscard]] Size peak_bytes() const { return trace_.peak_taken; }
  [[nodiscard]] std::uint64_t warmup_steps() const { return trace_.operations.size(); }
  [[nodiscard]] std::uint64_t cycle_steps() const { return trace_.operations.size(); }
  [[nodiscard]] const Trace& trace() const { return trace_; }

  // Goes back to the first operation, for a fresh heap.
  void rewind() { at_ = 0; }

  template <HeapUnderTest H>
  bool fill(H& /*heap*/) {
    return true;
  }

  template <HeapUnderTest H>
  std::uint64_t play(H& heap, std::uint64_t steps) {
    const std::size_t start = at_;
    const std::size_t stop = std::min<std::size_t>(start + steps, trace_.operations.size());
    for (std::size_t i = start; i < stop; ++i) {
      if (!step(heap, trace_.operations[i])) return 0;
    }
    at_ = stop == trace_.operations.size() ? 0 : stop;
    return stop - start;
  }

 private:
  template <HeapUnderTest H>
  bool step(H& heap, const Operation& operation) {
    Held& held = held_[operation.block];
    if (operation.action == Action::allocate) return place(heap, held, operation.size);
    if (operation.action == Action::reallocate) return resize(heap, held, operation.size);
    heap.release(held.at, held.size);
    return true;
  }

  template <HeapUnderTest H>
  static bool resize(H& heap, Held& held, Size size) {
    void* const at = heap.reallocate(held.at, held.size, size);
    if (at == nullptr) return false;
    held = {at, size};
    return true;
  }

  Trace trace_;
  std::vector<Held> held_;
  std::size_t at_ = 0;
};

class ChurnWorkload {
 public:
  ChurnWorkload(std::uint32_t live, Sizes sizes) : script_(draw_churn(live, sizes)), held_(live) {}

  [[nodiscard]] Size peak_bytes() const { return script_.peak_taken; }
  // After two replacements per block, one in seven of the first blocks is left.
  [[nodiscard]] std::uint64_t warmup_steps() const { return 2 * held_.size(); }
  [[nodiscard]] std::uint64_t cycle_steps() const { return 1; }

  template <HeapUnderTest H>
  bool fill(H& heap) {
    for (std::size_t i = 0; i < held_.size(); ++i) {
      if (!place(heap, held_[i], script_.first_sizes[i])) return false;
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
      if (!place(heap, held, replacement.size)) return 0;
    }
    return steps;
  }

 private:
  ChurnScript script_;
  std::vector<Held> held_;
  std::size_t at_ = 0;
};

class LifoWorkload {
 public:
  static constexpr Size block_size = 64;

  [[nodiscard]] static Size peak_bytes() { return taken(block_size); }
  [[nodiscard]] static std::uint64_t warmup_steps() { return 10'000; }
  [[nodiscard]] static std::uint64_t cycle_steps() { return 1; }

  template <HeapUnderTest H>
  bool fill(H& /*heap*/) {
    return true;
  }

  template <HeapUnderTest H>
  std::uint64_t play(H& heap, std::uint64_t steps) {
    for (std::uint64_t i = 0; i < steps; ++i) {
      if (!place(heap, held_, block_size)) return 0;
      heap.release(held_.at, held_.size);
    }
    return steps;
  }

 private:
  Held held_;
};

using Workload = std::variant<TraceWorkload, ChurnWorkload, LifoWorkload>;

// Makes the workload with this name: trace:FILE, churn:uniform:N, churn:log-normal:N, lifo. Throws
// std::runtime_error for any other name, and for a trace that cannot be read.
[[nodiscard]] Workload make_workload(const std::string& name);

// The size of the region for a workload: twice its peak_bytes(), and 64 KiB.
[[nodiscard]] Size region_for(const Workload& workload);

}  // namespace bench
