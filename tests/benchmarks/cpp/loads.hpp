// loads.hpp: what a heap is given to do.
//
//     trace   a recorded program, from its first operation to its last, again and again
//     churn   N live blocks; free one at random, allocate a new one
//     lifo    malloc(64), free, on a heap that is otherwise empty
//
// A step is an operation of a trace, or a pair of free and malloc. Each load keeps the blocks in an
// array of pointers and sizes, the same for every heap (a few need the size to free), and writes
// one byte into each new block, as a program would write something.
//
// A heap under test has three calls. `allocate` and `reallocate` return a null pointer if they are
// refused, and a load then stops. They are no virtual calls: each pairing of heap and load is
// compiled for itself, so that no heap pays for a door that another one needs.
#pragma once

#include <algorithm>
#include <concepts>
#include <string>
#include <variant>
#include <vector>

#include "choices.hpp"
#include "trace.hpp"

namespace bench {

template <typename H>
concept HeapUnderTest = requires(H heap, void* block, Size size) {
  { heap.allocate(size) } -> std::same_as<void*>;
  { heap.reallocate(block, size, size) } -> std::same_as<void*>;  // a block, its size, the new one
  heap.release(block, size);
};

struct Held {
  void* at = nullptr;
  Size size = 0;
};

// Allocates a block into `held`; false if the heap refuses. A block of no bytes is not written to:
// what stands at its address is the heap's.
template <HeapUnderTest H>
bool place(H& heap, Held& held, Size size) {
  void* const at = heap.allocate(size);
  if (at == nullptr) return false;
  if (size != 0) *static_cast<volatile char*>(at) = 1;
  held = {at, size};
  return true;
}

// Each load has, beside `fill`, which brings a heap to where the load begins, and `play`, which
// does at most so many steps and returns how many, or 0 if it was refused:
//
//     demand()     bytes that its blocks take at the fullest moment, headers and rounding included
//     settling()   steps after which a heap has come to its steady state
//     whole()      steps that are measured together or not at all

class TraceLoad {
 public:
  explicit TraceLoad(Trace trace) : trace_(std::move(trace)), held_(trace_.blocks) {}

  [[nodiscard]] Size demand() const { return trace_.peak_taken; }
  [[nodiscard]] std::uint64_t settling() const { return trace_.operations.size(); }
  [[nodiscard]] std::uint64_t whole() const { return trace_.operations.size(); }
  [[nodiscard]] const Trace& trace() const { return trace_; }

  // Back to the first operation, for a fresh heap.
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

class ChurnLoad {
 public:
  ChurnLoad(std::uint32_t live, Sizes sizes) : choices_(draw(live, sizes)), held_(live) {}

  [[nodiscard]] Size demand() const { return choices_.peak_taken; }
  // After two replacements for each block one in seven of the first ones is left.
  [[nodiscard]] std::uint64_t settling() const { return 2 * held_.size(); }
  [[nodiscard]] std::uint64_t whole() const { return 1; }

  template <HeapUnderTest H>
  bool fill(H& heap) {
    for (std::size_t i = 0; i < held_.size(); ++i) {
      if (!place(heap, held_[i], choices_.first_sizes[i])) return false;
    }
    return true;
  }

  template <HeapUnderTest H>
  std::uint64_t play(H& heap, std::uint64_t steps) {
    const std::size_t mask = choices_.circle.size() - 1;
    for (const std::size_t stop = at_ + steps; at_ < stop; ++at_) {
      const Choice choice = choices_.circle[at_ & mask];
      Held& held = held_[choice.block];
      heap.release(held.at, held.size);
      if (!place(heap, held, choice.size)) return 0;
    }
    return steps;
  }

 private:
  Choices choices_;
  std::vector<Held> held_;
  std::size_t at_ = 0;
};

class LifoLoad {
 public:
  static constexpr Size block_size = 64;

  [[nodiscard]] static Size demand() { return taken(block_size); }
  [[nodiscard]] static std::uint64_t settling() { return 10'000; }
  [[nodiscard]] static std::uint64_t whole() { return 1; }

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

using Load = std::variant<TraceLoad, ChurnLoad, LifoLoad>;

// How a load is named on a worker's command line: trace:FILE, churn:uniform:N, churn:log-normal:N,
// lifo. Throws std::runtime_error for any other name, and for a trace that cannot be read.
[[nodiscard]] Load make_load(const std::string& name);

// Bytes of the region that a load is played in: twice what its blocks take at the fullest moment,
// and 64 KiB.
[[nodiscard]] Size region_for(const Load& load);

}  // namespace bench
