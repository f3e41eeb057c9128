// refusals.hpp: how often the calls of a heap were refused, by reason.
//
// A shortage is counted under its cause, any other fault under its kind. A stale handle is not
// counted: a handle may be dropped long after its block is gone, which is no misuse.
#pragma once

#include <array>

#include "glassheap/owners.hpp"

namespace glassheap {

class Refusals {
 public:
  void count(const Fault& fault) noexcept {
    if (fault.kind == FaultKind::out_of_memory)
      ++by_cause_[static_cast<std::size_t>(cause_of(fault))];
    else if (fault.kind != FaultKind::stale_handle)
      ++by_kind_[static_cast<std::size_t>(fault.kind)];
  }

  // For a fault after which the call has gone on.
  void take_back(const Fault& fault) noexcept {
    if (fault.kind == FaultKind::out_of_memory)
      --by_cause_[static_cast<std::size_t>(cause_of(fault))];
    else if (fault.kind != FaultKind::stale_handle)
      --by_kind_[static_cast<std::size_t>(fault.kind)];
  }

  // The causes of a shortage first, also those that never were; then each other reason that was.
  // Throws std::bad_alloc.
  [[nodiscard]] std::vector<RefusalCount> list() const;

 private:
  using Counts = std::array<std::uint64_t, static_cast<std::size_t>(FaultKind::system_error) + 1>;

  std::array<std::uint64_t, 4> by_cause_{};  // ShortageCause::batch is the last
  Counts by_kind_{};
};

}  // namespace glassheap
