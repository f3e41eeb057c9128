#include "results.hpp"

#include <algorithm>

#include "statistics.hpp"

namespace bench {

std::vector<double> Entry::figures() const {
  std::vector<double> found;
  for (const auto& round : rounds) {
    if (round) found.push_back(*round);
  }
  return found;
}

std::optional<double> Entry::figure() const {
  const std::vector<double> found = figures();
  if (found.empty()) return std::nullopt;
  return median(found);
}

const Entry* Results::find(const std::string& contender, const std::string& workload) const {
  const auto found = entries_.find({contender, workload});
  return found == entries_.end() ? nullptr : &found->second;
}

std::optional<double> Results::figure(const std::string& contender,
                                      const std::string& workload) const {
  const Entry* const entry = find(contender, workload);
  return entry == nullptr ? std::nullopt : entry->figure();
}

std::optional<double> Results::ratio(const std::string& one, const std::string& other,
                                     const std::string& workload) const {
  const Entry* const ours = find(one, workload);
  const Entry* const theirs = find(other, workload);
  if (ours == nullptr || theirs == nullptr) return std::nullopt;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(ours->rounds.size(), theirs->rounds.size()); ++i) {
    const std::optional<double>& own = ours->rounds[i];
    const std::optional<double>& others = theirs->rounds[i];
    if (own && others) ratios.push_back(*own / *others);
  }
  if (ratios.empty()) return std::nullopt;
  return median(ratios);
}

}  // namespace bench
