#include "heap/refusals.hpp"

namespace glassheap {

std::vector<RefusalCount> Refusals::list() const {
  using enum ShortageCause;
  const auto of = [this](ShortageCause cause) {
    return by_cause_[static_cast<std::size_t>(cause)];
  };
  std::vector<RefusalCount> counts{{name_of(memory), of(memory) + of(batch)},
                                   {name_of(fragmentation), of(fragmentation)},
                                   {name_of(alignment), of(alignment)}};
  for (std::size_t kind = 0; kind < by_kind_.size(); ++kind) {
    if (by_kind_[kind] != 0)
      counts.push_back({name_of(static_cast<FaultKind>(kind)), by_kind_[kind]});
  }
  return counts;
}

}  // namespace glassheap
