// wait_line.hpp: the requests that wait for memory, in order of arrival.
//
//     | served | left | dead | waits | left | waits | waits | free places ... |
//                     first                                 next
//
// A request that waits has a ticket, and the place of that number in a ring. The first one that still
// waits, and whose process lives, is called when something was freed: it makes its request itself, and
// leaves if that is served. All others sleep until they are the first. So a large request is not
// overtaken by smaller ones behind it.
//
// A request leaves by one store, which takes no lock: the places that are left are skipped later, as
// are those of dead processes. A thread sleeps on the word of its place; an event loop listens to a
// bell.
//
// Everything else is done under the heap's lock. In a shared heap the line lies in the segment, where
// other programs can overwrite it: then it is emptied, and all line up anew.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/bell.hpp"
#include "base/config.hpp"
#include "base/futex.hpp"

namespace glassheap {

using Ticket = std::uint64_t;  // 0: none
using Waiter = std::uint32_t;  // the number of an attachment, or of a process; 0: nobody

// In nanoseconds. The clock is the same in all processes.
[[nodiscard]] std::uint64_t now_in_nanoseconds() noexcept;

struct WaitPlace {
  std::atomic<Waiter> waiter{0};
  std::atomic<std::uint32_t> called{0};  // 1 when it is the turn of this place
  Bell bell = 0;
  std::uint64_t since = 0;
};

class WaitLine {
 public:
  static constexpr std::size_t most = 1024;  // that wait at one time

  // Returns true if places are taken, by requests that wait or have left.
  [[nodiscard]] bool any() const noexcept { return first_ != next_; }
  // Lines up. Returns 0 if there is no place.
  [[nodiscard]] Ticket line_up(Waiter waiter, Bell bell) noexcept;
  // Returns true if the ticket has a place, which is that of this waiter.
  [[nodiscard]] bool has(Ticket ticket, Waiter waiter) const noexcept;
  [[nodiscard]] WaitPlace& place(Ticket ticket) noexcept { return places_[ticket % most]; }
  // Leaves, without the lock.
  void leave(Ticket ticket, Waiter waiter) noexcept;

  // Skips those that do not wait any more. alive(waiter) tells if its process lives.
  template <typename IsAlive>
  void skip_gone(IsAlive alive) noexcept;
  // Returns true if it is the turn of this ticket, behind skip_gone().
  [[nodiscard]] bool is_first(Ticket ticket) const noexcept { return any() && ticket == first_; }
  // Calls the first one, if anybody waits.
  void call_first() noexcept {
    if (any()) call(place(first_));
  }
  void call_all() noexcept;
  // The process of this number is gone, and another may get the number.
  void forget(Waiter waiter) noexcept;
  void clear() noexcept;

  // Returns true if `changes`, a number that grows with whatever frees memory, is not as it was at the
  // last call.
  [[nodiscard]] bool has_changed(std::uint64_t changes) noexcept;

  // How many have lined up, and how long they waited in all.
  [[nodiscard]] std::uint64_t waits() const noexcept { return waits_; }
  [[nodiscard]] std::uint64_t nanoseconds() const noexcept {
    return waited_.load(std::memory_order_relaxed);
  }
  // Attempts that failed, of requests that waited on.
  [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }
  void note_failure() noexcept { ++failures_; }

 private:
  static void call(WaitPlace& place) noexcept;
  // Another program may have overwritten the numbers.
  void confine() noexcept {
    if (next_ - first_ > most) clear();
  }

  Ticket first_ = 1;
  Ticket next_ = 1;
  std::uint64_t changes_ = 0;
  std::uint64_t waits_ = 0;
  std::uint64_t failures_ = 0;
  std::atomic<std::uint64_t> waited_{0};  // nanoseconds
  std::array<WaitPlace, most> places_;
};

template <typename IsAlive>
void WaitLine::skip_gone(IsAlive alive) noexcept {
  confine();
  while (any()) {
    const Waiter waiter = place(first_).waiter.load(std::memory_order_relaxed);
    if (waiter != 0 && alive(waiter)) return;
    place(first_).waiter.store(0, std::memory_order_relaxed);
    ++first_;
    crash_point();
  }
}

}  // namespace glassheap
