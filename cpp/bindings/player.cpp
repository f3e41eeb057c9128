// player.cpp: Player: replays a recorded trace on a heap, operation by operation.
//
// The player keeps the address of each block. An allocation that fails leaves its number empty: a
// free of it is then no operation, and a realloc of it allocates.
//
// A player does one run at a time: a second thread waits. Another thread may write to the columns
// during a run, so each operation is read once, and checked again.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <vector>

#include "excess.hpp"
#include "functions.hpp"
#include "gil.hpp"
#include "raise.hpp"
#include "trace_columns.hpp"

namespace glassheap::bindings {
namespace {

// The operations from `start` up to `stop`.
struct Range {
  std::size_t start;
  std::size_t stop;
};

class Player {
 public:
  Player(py::handle heap, py::handle id_count)
      : owner_(py::reinterpret_borrow<py::object>(heap)),
        heap_(&require_heap(heap)),
        default_align_(heap_->default_align()),
        blocks_(require_size(id_count, "id_count"), nothing) {}

  // The index of the first operation that was not run.
  std::size_t play(const Columns& columns, Range range, bool stop_at_failure) {
    return run_alone(columns, range, [&](Fault& fault) {
      const Clock::time_point began = Clock::now();
      const std::size_t next = run(columns, range, stop_at_failure, fault, [](auto&&...) {});
      nanoseconds +=
          std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - began).count();
      return next;
    });
  }

  // The same, and adds the moment after each operation to `of_requested` and `of_taken`.
  std::size_t measure(const Columns& columns, Range range) {
    return run_alone(columns, range, [&](Fault& fault) {
      sizes_.resize(blocks_.size());
      const auto observe = [&](std::size_t i, const Operation& operation, bool done) {
        if (done) note_size(operation);
        add_moment(static_cast<std::int64_t>(i), fault);
      };
      return run(columns, range, false, fault, observe);
    });
  }

  // What was measured so far: against the bytes asked for, and against those that blocks take.
  [[nodiscard]] std::pair<Excess, Excess> excesses() {
    const GilReleased gil_released;
    const std::lock_guard one_run(running_);
    return {of_requested_, of_taken_};
  }

  // The bytes asked for in the live blocks that measure() has seen, by their addresses.
  [[nodiscard]] std::vector<std::pair<Address, Size>> sizes() {
    const GilReleased gil_released;
    const std::lock_guard one_run(running_);
    std::vector<std::pair<Address, Size>> found;
    for (std::size_t id = 0; id < sizes_.size(); ++id)
      if (blocks_[id] != nothing) found.emplace_back(blocks_[id], sizes_[id]);
    return found;
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

  // Calls run(fault) without the GIL, while no other thread runs, and returns its result.
  template <typename Run>
  std::size_t run_alone(const Columns& columns, Range range, Run run) {
    require_valid(columns, range);
    Fault fault;
    std::size_t next = 0;
    {
      const GilReleased gil_released;
      const std::lock_guard one_run(running_);
      next = run(fault);
    }
    raise_if(fault);
    return next;
  }

  void require_valid(const Columns& columns, Range range) const {
    if (range.start > range.stop || range.stop > columns.size())
      throw py::value_error("start and stop lie in the trace, in this order.");
    bool valid = true;
    for (std::size_t i = range.start; i < range.stop; ++i)
      valid &= is_valid(columns[i], blocks_.size());
    for (std::size_t i = range.start; !valid && i < range.stop; ++i)
      bindings::require_valid(columns[i], i, blocks_.size());
  }

  // Calls observe(i, operation, done) after each operation. A shortage is counted as a failure; any
  // other fault ends the run.
  template <typename Observe>
  std::size_t run(const Columns& columns, Range range, bool stop_at_failure, Fault& fault,
                  Observe observe) {
    std::size_t i = range.start;
    for (; i < range.stop; ++i) {
      const Operation operation = columns[i];
      bindings::require_valid(operation, i, blocks_.size());
      const bool done = step(operation, blocks_[operation.id], fault);
      if (!done) [[unlikely]] {
        if (!is_shortage(fault)) break;
        fault = {};
        note_failure(i);
        if (stop_at_failure) break;
      }
      observe(i, operation, done);
    }
    return i;
  }

  bool step(const Operation& operation, Address& block, Fault& fault) {
    if (operation.kind == free_kind) {
      const Address freed = std::exchange(block, nothing);
      return freed == nothing ? heap_->free_many({}, fault) : heap_->free(freed, fault);
    }
    const Size align = std::max(operation.align, default_align_);
    const bool resizes = operation.kind == realloc_kind && block != nothing;
    const Address now = resizes ? heap_->realloc(block, operation.bytes, align, no_move, fault)
                                : heap_->malloc(operation.bytes, align, fault);
    const bool done = now != 0 || !fault;
    if (done) block = now;
    if (!done && operation.kind == malloc_kind) block = nothing;
    return done;
  }

  // An alignment is a power of two: it can only be too large for the region.
  [[nodiscard]] static bool is_shortage(const Fault& fault) noexcept {
    return fault.kind == FaultKind::out_of_memory || fault.kind == FaultKind::invalid_alignment;
  }

  void note_failure(std::size_t i) {
    if (failures++ == 0) first_failure = static_cast<std::int64_t>(i);
  }

  // A malloc of a number that is in use leaks the block that had it.
  void note_size(const Operation& operation) {
    Size& size = sizes_[operation.id];
    if (operation.kind != malloc_kind) requested_ -= size;
    size = operation.kind == free_kind ? 0 : operation.bytes;
    requested_ += size;
  }

  void add_moment(std::int64_t i, Fault& fault) {
    const Footprint now = heap_->footprint(fault);
    of_requested_.add({requested_, now.used, i});
    of_taken_.add({now.taken, now.used, i});
  }

  py::object owner_;
  Heap* heap_;
  Size default_align_;
  std::mutex running_;  // guards what follows
  std::vector<Address> blocks_;
  std::vector<Size> sizes_;  // asked for; empty until measure()
  Size requested_ = 0;       // their sum
  Excess of_requested_, of_taken_;
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
    R"(play($self, kinds, ids, sizes, start, stop, stop_at_failure=False, aligns=None)
--

Run the operations from start up to stop, and return the first that was not run.

kinds holds 0 for malloc, 1 for realloc, 2 for free, in bytes; ids the blocks, in 32 bits;
sizes and aligns the bytes asked for, in 64. A block is aligned as the heap aligns each, or
more if aligns has a larger power of two; 0 there, or no aligns, asks for nothing. The GIL
is released. With stop_at_failure it stops at the first allocation that no free block can
serve; otherwise that block stays empty, and the run goes on. An alignment that the heap
does not serve is such a failure.

Raises ValueError if and only if the columns are no trace, and what malloc, realloc and free
raise for a damaged or closed heap.)";

std::size_t play(Player& player, py::handle kinds, py::handle ids, py::handle sizes,
                 py::handle start, py::handle stop, py::handle stop_at_failure, py::handle aligns) {
  return player.play(Columns(kinds, ids, sizes, aligns),
                     {require_size(start, "start"), require_size(stop, "stop")},
                     stop_at_failure && require_flag(stop_at_failure, "stop_at_failure"));
}

constexpr const char measure_doc[] =
    R"(measure($self, kinds, ids, sizes, start, stop, aligns=None)
--

Run the operations as play does, and measure the heap after each. No time is counted.

Raises what play raises.)";

std::size_t measure(Player& player, py::handle kinds, py::handle ids, py::handle sizes,
                    py::handle start, py::handle stop, py::handle aligns) {
  return player.measure(Columns(kinds, ids, sizes, aligns),
                        {require_size(start, "start"), require_size(stop, "stop")});
}

std::array player_methods = {method<play_doc, play>(), method<measure_doc, measure>()};

constexpr const char excess_doc[] =
    R"(How much more is used than live: against requested bytes, and against taken bytes.

Each is (sum of used / live over the operations after which any byte is live, their number,
operation with most live, live then, used then, that with most used, live then, used then).)";

py::tuple moment(const Moment& at) { return py::make_tuple(at.operation, at.live, at.used); }
py::tuple as_tuple(const Excess& excess) {
  return py::tuple(py::make_tuple(excess.sum_of_ratios, excess.moments) + moment(excess.most_live) +
                   moment(excess.most_used));
}
py::tuple excesses(Player& player) {
  const auto [of_requested, of_taken] = player.excesses();
  return py::make_tuple(as_tuple(of_requested), as_tuple(of_taken));
}

constexpr const char asked_sizes_doc[] =
    R"(The bytes asked for in each live block, by its address, if measure has run alone.)";

py::dict asked_sizes(Player& player) {
  py::dict found;
  for (const auto& [address, size] : player.sizes()) found[py::int_(address)] = size;
  return found;
}

std::uint64_t failures(const Player& player) { return player.failures; }
std::int64_t first_failure(const Player& player) { return player.first_failure; }
std::int64_t nanoseconds(const Player& player) { return player.nanoseconds; }

std::array player_properties = {
    property<failures>("failures", "Allocations that no free block could serve."),
    property<first_failure>("first_failure", "The index of the first of them, or -1."),
    property<nanoseconds>("nanoseconds", "The time spent in play so far."),
    property<excesses>("excesses", excess_doc),
    property<asked_sizes>("sizes", asked_sizes_doc),
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
