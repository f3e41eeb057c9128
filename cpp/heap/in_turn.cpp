#include <memory>
#include <new>

#include "heap/scoped_access.hpp"

// Heap: requests that wait until somebody frees enough, in order of arrival (core/wait_line.hpp).
//
//     no place --> makes the request --> lines up --> sleeps --> is called, and is the first --> ...
//
// While anybody waits, every free takes the careful way, and leaves the heap through
// HeapState::leave(), which calls the first one. So a free looks at nothing if nobody waits.
//
// Who is killed, or whose call is lost in between, must not hold up the others: they look again ten
// times a second (Wait::longest_doze).

namespace glassheap {

namespace {

// While it lives, a request of this thread that fails is not recorded: it is tried again.
class Trying {
 public:
  explicit Trying(const HeapState& heap) noexcept : before_(announced()) {
    if (heap.recording == nullptr) return;
    if (before_.heap != &heap) announced() = {.heap = &heap};
    announced().tries = true;
  }
  ~Trying() { announced() = before_; }
  Trying(const Trying&) = delete;
  Trying& operator=(const Trying&) = delete;

 private:
  const Announced before_;
};

}  // namespace

// --- The line, under the lock. -----------------------------------------------------------------

bool HeapState::make_line() noexcept {
  if (line() == nullptr) own_line.reset(new (std::nothrow) WaitLine);
  return line() != nullptr;
}

// A child that was forked is another process, in which none of its parent's threads waits.
Waiter HeapState::waiter() const noexcept {
  return hooks == nullptr ? fork_count() + 1 : hooks->waiter();
}

void HeapState::skip_gone() noexcept {
  line()->skip_gone([this](Waiter other) {
    return hooks == nullptr ? other == waiter() : hooks->is_alive(other);
  });
}

void HeapState::note_waiting() noexcept {
  shared.waiting = line()->any();
  set_front();
}

// A number that grows with whatever frees memory.
std::uint64_t HeapState::changes() const noexcept {
  const Counters counters = core->counters();
  const std::uint64_t waiting = quarantine == nullptr ? 0 : quarantine->frees + quarantine->moves;
  return counters.frees + counters.reallocs + waiting + shared.epoch;
}

void HeapState::call_next() noexcept {
  if (!make_line()) return;
  skip_gone();
  const bool changed = line()->has_changed(changes());
  if (shared.damaged) {
    line()->call_all();
  } else if (changed) {
    line()->call_first();
  }
  note_waiting();
}

bool HeapState::is_turn(Ticket& ticket) noexcept {
  skip_gone();
  if (!line()->has(ticket, waiter())) ticket = 0;
  if (ticket == 0) return !line()->any();
  line()->place(ticket).called.store(0, std::memory_order_relaxed);
  return line()->is_first(ticket);
}

void HeapState::line_up(Ticket& ticket, Bell bell) noexcept {
  if (ticket != 0) return;
  static_cast<void>(line()->has_changed(changes()));
  ticket = line()->line_up(waiter(), bell);
  note_waiting();
}

// Leaves the line, and lets the next one try.
void HeapState::step_out(Ticket& ticket) noexcept {
  line()->leave(ticket, waiter());
  ticket = 0;
  skip_gone();
  line()->call_first();
  note_waiting();
}

// The failure of a request that waits on is not one of the heap.
bool HeapState::is_short(const Fault& fault) noexcept {
  if (fault.kind != FaultKind::out_of_memory) return false;
  line()->note_failure();
  refusals.take_back(fault);
  return true;
}

// Before the first one lines up, no block may stay in a cache, or be put there any more: its release
// would call nobody.
template <typename Serve>
std::invoke_result_t<Serve, Fault&> HeapState::serve_in_turn(Ticket& ticket, Bell bell,
                                                             Fault& fault, Serve serve) noexcept {
  const bool has_line = make_line();
  if (!has_line || !is_turn(ticket)) {
    fault = {.kind = FaultKind::out_of_memory};
    if (has_line) line_up(ticket, bell);
    return {};
  }
  const Trying trying(*this);
  auto served = serve(fault);
  if (ticket == 0 && caches != nullptr && is_short(fault)) {
    caches->shut();
    served = serve(fault = {});
  }
  if (is_short(fault)) {
    line_up(ticket, bell);
  } else {
    step_out(ticket);
  }
  return served;
}

// In a shared heap other processes look in vain, and wait on.
void HeapState::dismiss_line() const noexcept {
  if (core != nullptr && line() != nullptr) line()->call_all();
}

Address HeapState::malloc_if_nobody_waits(Size size, Size align, Fault& fault) noexcept {
  if (shared.waiting) {
    fault = {.kind = FaultKind::out_of_memory};
    return 0;
  }
  const Trying trying(*this);
  const Address address = malloc_inside(size, align, fault);
  if (fault.kind == FaultKind::out_of_memory && make_line()) static_cast<void>(is_short(fault));
  return address;
}

void HeapState::leave_line(Ticket ticket) noexcept {
  if (ticket == 0) return;
  {
    // In a shared heap this thread holds no lock of the segment, and needs none.
    const Guard guard(lock, WaitMode::uninterrupted);
    if (!guard || core == nullptr || line() == nullptr) return;
    line()->leave(ticket, waiter());
  }
  Fault ignored;  // then the next one looks by itself
  read(ignored, [](HeapState& heap) {
    Ticket none = 0;
    if (heap.make_line()) heap.step_out(none);
    return true;
  });
}

// --- The calls. --------------------------------------------------------------------------------

namespace {

// Waits until serve(heap, fault) does it, at most so many seconds. The last attempt is made whosever
// turn it is.
template <typename Serve>
auto serve_within(HeapState& state, double seconds, Fault& fault, Serve serve) noexcept {
  Wait wait(seconds);
  Ticket ticket = 0;
  const std::atomic<std::uint32_t>* called = nullptr;
  const auto attempt = [&](HeapState& heap) {
    const auto served =
        heap.serve_in_turn(ticket, 0, fault, [&](Fault& refusal) { return serve(heap, refusal); });
    called = ticket == 0 ? nullptr : &heap.line()->place(ticket).called;
    return served;
  };
  while (true) {
    std::construct_at(&fault);
    const auto served = state.write(fault, attempt);
    if (served) return served;
    if (fault.kind != FaultKind::out_of_memory) break;
    const FaultKind given_up =
        called == nullptr ? wait.nap()
                          : wait.doze([called](auto longest) { sleep_while(*called, 0, longest); });
    if (given_up == FaultKind::none) continue;
    state.leave_line(ticket);
    fault = {.kind = given_up};
    if (given_up == FaultKind::interrupted) return decltype(served){};
    std::construct_at(&fault);
    return state.write(fault, [&](HeapState& heap) { return serve(heap, fault); });
  }
  state.leave_line(ticket);
  return decltype(state.write(fault, attempt)){};
}

}  // namespace

// What the whole region would not hold does not line up: it would hold up the others.
Address Heap::malloc_within(double seconds, Size size, Size align, Fault& fault) noexcept {
  std::construct_at(&fault);
  if (size > this->size()) return malloc(size, align, fault);
  return serve_within(*state_, seconds, fault, [=](HeapState& heap, Fault& refusal) {
    return heap.malloc_inside(size, align, refusal);
  });
}

bool Heap::acquire_within(double seconds, Size size, Size align, Handle& handle,
                          Fault& fault) noexcept {
  std::construct_at(&fault);
  if (size > this->size()) return acquire(size, align, handle, fault);
  return serve_within(*state_, seconds, fault, [&, size, align](HeapState& heap, Fault& refusal) {
    return heap.acquire_inside(size, align, handle, refusal);
  });
}

Address Heap::malloc_in_turn(std::uint64_t& ticket, std::uint64_t bell, Size size, Size align,
                             Fault& fault) noexcept {
  return state_->write(fault, [&](HeapState& heap) {
    if (bell == 0) return heap.malloc_if_nobody_waits(size, align, fault);
    return heap.serve_in_turn(ticket, bell, fault, [&](Fault& refusal) {
      return heap.malloc_inside(size, align, refusal);
    });
  });
}

void Heap::leave_line(std::uint64_t ticket) noexcept { state_->leave_line(ticket); }

}  // namespace glassheap
