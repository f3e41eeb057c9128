#include "core/wait_line.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace glassheap {

std::uint64_t now_in_nanoseconds() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
}

// A process that dies between these stores leaves a place that counts as left.
Ticket WaitLine::line_up(Waiter waiter, Bell bell) noexcept {
  confine();
  if (next_ - first_ == most) return 0;
  WaitPlace& mine = place(next_);
  mine.called.store(0, std::memory_order_relaxed);
  mine.bell = bell;
  mine.since = now_in_nanoseconds();
  mine.waiter.store(waiter, std::memory_order_relaxed);
  crash_point();
  ++waits_;
  const Ticket ticket = next_++;
  crash_point();
  return ticket;
}

bool WaitLine::has(Ticket ticket, Waiter waiter) const noexcept {
  return ticket - first_ < next_ - first_ &&
         places_[ticket % most].waiter.load(std::memory_order_relaxed) == waiter;
}

void WaitLine::leave(Ticket ticket, Waiter waiter) noexcept {
  if (ticket == 0 || waiter == 0) return;
  WaitPlace& mine = place(ticket);
  if (mine.waiter.compare_exchange_strong(waiter, 0, std::memory_order_relaxed))
    waited_.fetch_add(now_in_nanoseconds() - mine.since, std::memory_order_relaxed);
}

void WaitLine::call(WaitPlace& place) noexcept {
  place.called.store(1, std::memory_order_relaxed);
  wake_one(place.called);
  if (place.bell != 0) ring(place.bell);
}

void WaitLine::call_all() noexcept {
  confine();
  for (Ticket ticket = first_; ticket != next_; ++ticket) call(place(ticket));
}

void WaitLine::forget(Waiter waiter) noexcept {
  confine();
  for (Ticket ticket = first_; ticket != next_; ++ticket) leave(ticket, waiter);
}

void WaitLine::clear() noexcept {
  for (WaitPlace& place : places_) place.waiter.store(0, std::memory_order_relaxed);
  first_ = next_ = std::max(next_, Ticket{1});  // no ticket is given twice
}

bool WaitLine::has_changed(std::uint64_t changes) noexcept {
  return std::exchange(changes_, changes) != changes;
}

}  // namespace glassheap
