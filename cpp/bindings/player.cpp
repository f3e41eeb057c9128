// player.cpp: Player: replays a recorded trace on a heap, operation by operation.
//
// The player keeps the address of each block. An allocation that fails leaves its number empty: a
// free of it is then no operation, and a realloc of it allocates.
//
// A player does one run at a time: a second thread waits. Another thread may write to the columns
// during a run, so each operation is read once, and checked again.

#include <atomic>
#include <chrono>
#include <mutex>
#include <vector>

#include "functions.hpp"
#include "gil.hpp"
#include "raise.hpp"
#include "trace_columns.hpp"

namespace glassheap::bindings {
namespace {

class Player {
 public:
  Player(py::handle heap, py::handle id_count)
      : owner_(py::reinterpret_borrow<py::object>(heap)),
        heap_(&require_heap(heap)),
        blocks_(require_size(id_count, "id_count"), nothing) {}

  // The index of the first operation that was not run.
  std::size_t play(const Columns& columns, std::size_t start, std::size_t stop,
                   bool stop_at_failure) {
    require_valid(columns, start, stop);
    Fault fault;
    {
      const GilReleased gil_released;
      const std::lock_guard one_run(running_);
      start = run(columns, start, stop, stop_at_failure, fault);
    }
    raise_if(fault);
    return start;
  }

  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(owner_.ptr());
    return 0;
  }

  std::atomic<std::uint64_t> failures = 0;
  std::atomic<std::int64_t> first_failure = -1;
  std::atomic<std::int64_t> nanoseconds = 0;

 private:
  static constexpr Address nothing = ~Address{0};  // in the place of a block's address
  inline static const Heap::Move no_move = [](Address, Address, Size) {};  // nothing has contents
  using Clock = std::chrono::steady_clock;

  void require_valid(const Columns& columns, std::size_t start, std::size_t stop) const {
    if (start > stop || stop > columns.size())
      throw py::value_error("start and stop lie in the trace, in this order.");
    for (std::size_t i = start; i < stop; ++i)
      bindings::require_valid(columns[i], i, blocks_.size());
  }

  // A lack of memory is counted as a failure; any other fault ends the run.
  std::size_t run(const Columns& columns, std::size_t i, std::size_t stop, bool stop_at_failure,
                  Fault& fault) {
    const Clock::time_point began = Clock::now();
    for (; i < stop && !fault; ++i) {
      const Operation operation = columns[i];
      bindings::require_valid(operation, i, blocks_.size());
      if (step(operation.kind, blocks_[operation.id], operation.bytes, fault)) continue;
      if (fault.kind != FaultKind::out_of_memory) break;
      fault = {};
      note_failure(i);
      if (stop_at_failure) break;
    }
    nanoseconds +=
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - began).count();
    return i;
  }

  bool step(std::uint8_t kind, Address& block, Size size, Fault& fault) {
    if (kind == free_kind) {
      const Address freed = std::exchange(block, nothing);
      return freed == nothing ? heap_->free_many({}, fault) : heap_->free(freed, fault);
    }
    const bool resizes = kind == realloc_kind && block != nothing;
    const Address now = resizes
                            ? heap_->realloc(block, size, heap_->default_align(), no_move, fault)
                            : heap_->malloc(size, fault);
    const bool done = now != 0 || !fault;
    if (done) block = now;
    if (!done && kind == malloc_kind) block = nothing;
    return done;
  }

  void note_failure(std::size_t i) {
    if (failures++ == 0) first_failure = static_cast<std::int64_t>(i);
  }

  py::object owner_;
  Heap* heap_;
  std::mutex running_;  // guards the addresses
  std::vector<Address> blocks_;
};

constexpr const char player_doc[] = R"(Player(heap, id_count)
--

Runs the operations of a trace on a heap.

Args:
    heap: The Heap to run on, through the same calls that its methods make.
    id_count: How many blocks the trace numbers, from 0.)";

std::unique_ptr<Player> make_player(py::handle heap, py::handle id_count) {
  return std::make_unique<Player>(heap, id_count);
}

constexpr const char play_doc[] =
    R"(play($self, kinds, ids, sizes, start, stop, stop_at_failure=False)
--

Run the operations from start up to stop, and return the first that was not run.

kinds holds 0 for malloc, 1 for realloc, 2 for free, in bytes; ids the blocks, in 32 bits;
sizes the bytes asked for, in 64. The GIL is released. With stop_at_failure it stops at the
first allocation that no free block can serve; otherwise that block stays empty, and the run
goes on.

Raises ValueError if and only if the columns are no trace, and what malloc, realloc and free
raise for a damaged or closed heap.)";

std::size_t play(Player& player, py::handle kinds, py::handle ids, py::handle sizes,
                 py::handle start, py::handle stop, py::handle stop_at_failure) {
  return player.play(Columns(kinds, ids, sizes), require_size(start, "start"),
                     require_size(stop, "stop"),
                     stop_at_failure && require_flag(stop_at_failure, "stop_at_failure"));
}

std::array player_methods = {method<play_doc, play>()};

std::uint64_t failures(const Player& player) { return player.failures; }
std::int64_t first_failure(const Player& player) { return player.first_failure; }
std::int64_t nanoseconds(const Player& player) { return player.nanoseconds; }

std::array player_properties = {
    property<failures>("failures", "Allocations that no free block could serve."),
    property<first_failure>("first_failure", "The index of the first of them, or -1."),
    property<nanoseconds>("nanoseconds", "The time spent in play so far."),
};

}  // namespace

void add_player(py::module_& module) {
  PyTypeObject* const type =
      make_constructible<Player, player_doc, make_player>("glassheap._core.Player", 0);
  add_methods(type, player_methods);
  add_properties(type, player_properties);
  module.attr("Player") = py::handle(reinterpret_cast<PyObject*>(type));
}

}  // namespace glassheap::bindings
