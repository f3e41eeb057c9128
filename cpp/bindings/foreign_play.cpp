// foreign_play.cpp: plays a recorded trace on the malloc, free and realloc of any library, in time.
//
// The functions may be anyone's, so they may do anything: crash, hang, exit. glassheap.grading calls
// this in a process of its own, and learns there from `place`, in memory that it shares with that
// process, at which operation the process ended.

#include <algorithm>
#include <chrono>
#include <vector>

#include "buffers.hpp"
#include "functions.hpp"
#include "trace_columns.hpp"

namespace glassheap::bindings {
namespace {

// What a library has in the place of malloc, free and realloc; realloc may be null.
struct ForeignFunctions {
  void* (*malloc)(std::size_t size);
  void (*free)(void* block);
  void* (*realloc)(void* block, std::size_t size);
};

template <typename Function>
void set_function(Function& function, py::handle address) {
  function = reinterpret_cast<Function>(require_address(address));
}

ForeignFunctions require_functions(py::handle addresses) {
  if (PyTuple_Check(addresses.ptr()) == 0 || PyTuple_GET_SIZE(addresses.ptr()) != 3)
    throw py::value_error("functions are the addresses of malloc, free and realloc in a tuple.");
  ForeignFunctions functions{};
  set_function(functions.malloc, PyTuple_GET_ITEM(addresses.ptr(), 0));
  set_function(functions.free, PyTuple_GET_ITEM(addresses.ptr(), 1));
  set_function(functions.realloc, PyTuple_GET_ITEM(addresses.ptr(), 2));
  return functions;
}

// A copy of a trace, so that the loop needs no check; and the number of its blocks.
struct ForeignTrace {
  explicit ForeignTrace(const Columns& columns) : operations(columns.size()) {
    for (std::size_t i = 0; i < operations.size(); ++i) {
      operations[i] = columns[i];
      require_valid(operations[i], i, std::numeric_limits<std::uint32_t>::max());
      id_count = std::max(id_count, std::size_t{operations[i].id} + 1);
      resizes |= operations[i].kind == realloc_kind;
    }
  }

  std::vector<Operation> operations;
  std::size_t id_count = 0;
  bool resizes = false;
};

class ForeignPlay {
 public:
  ForeignPlay(const ForeignFunctions& functions, std::size_t id_count)
      : functions_(functions), blocks_(id_count) {}

  // Returns the nanoseconds taken. An operation's index is in `place` while it runs.
  std::int64_t play(const std::vector<Operation>& operations, volatile std::uint64_t& place) {
    const Clock::time_point began = Clock::now();
    for (std::size_t i = 0; i < operations.size(); ++i) {
      place = i;
      step(operations[i], blocks_[operations[i].id]);
    }
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - began).count();
  }

  // Frees the blocks that the trace has left, so that it can be played again.
  void free_all() {
    for (void*& block : blocks_)
      if (block != nullptr) functions_.free(std::exchange(block, nullptr));
  }

  std::uint64_t refused = 0;

 private:
  using Clock = std::chrono::steady_clock;

  // A block that was refused stays empty: a free of it is no call, and a realloc of it allocates.
  void step(const Operation& operation, void*& block) {
    if (operation.kind == free_kind) {
      if (block != nullptr) functions_.free(std::exchange(block, nullptr));
      return;
    }
    void* const now = operation.kind == malloc_kind ? functions_.malloc(operation.bytes)
                                                    : functions_.realloc(block, operation.bytes);
    if (now != nullptr || operation.bytes == 0)
      block = now;
    else
      ++refused;
  }

  ForeignFunctions functions_;
  std::vector<void*> blocks_;
};

void require_callable(const ForeignFunctions& functions, const ForeignTrace& trace) {
  if (functions.malloc == nullptr || functions.free == nullptr ||
      (trace.resizes && functions.realloc == nullptr))
    throw py::value_error("a function that the trace calls has no address.");
}

volatile std::uint64_t& require_place(const BorrowedBuffer& buffer) {
  if (buffer.bytes.size() < sizeof(std::uint64_t) ||
      reinterpret_cast<std::uintptr_t>(buffer.bytes.data()) % alignof(std::uint64_t) != 0)
    throw py::value_error("place has room for a number of 64 bits, aligned.");
  return *reinterpret_cast<volatile std::uint64_t*>(buffer.bytes.data());
}

constexpr const char play_foreign_doc[] =
    R"(_play_foreign(kinds, ids, sizes, functions, place, /)
--

Play a trace on functions at these addresses; return nanoseconds and refused requests.

functions are the addresses of malloc, free and realloc; the last may be 0 if the trace resizes
nothing. The index of the operation that runs is in the first 8 bytes of place. The blocks still
live at the end are freed, outside of the time.

Raises ValueError if and only if the columns are no trace, a function that it needs is missing,
or place is too small.)";

py::object play_foreign(py::handle kinds, py::handle ids, py::handle sizes, py::handle addresses,
                        py::handle place) {
  const ForeignTrace trace(Columns(kinds, ids, sizes));
  const ForeignFunctions functions = require_functions(addresses);
  require_callable(functions, trace);
  const BorrowedBuffer shared = borrow(place);
  ForeignPlay run(functions, trace.id_count);
  const std::int64_t nanoseconds = run.play(trace.operations, require_place(shared));
  run.free_all();
  return py::make_tuple(nanoseconds, run.refused);
}

std::array foreign_functions = {module_function<play_foreign_doc, play_foreign>()};

}  // namespace

void add_foreign_play(py::module_& module) { add_functions(module, foreign_functions); }

}  // namespace glassheap::bindings
