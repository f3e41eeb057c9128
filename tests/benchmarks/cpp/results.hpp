// results.hpp: the figures of a run, by contender and workload.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

// The figures of one contender on one workload.
struct Entry {
  std::vector<std::optional<double>> rounds;  // ns a step; none where a round gave no figure
  bool unsettled = false;                     // the figures are too good
  unsigned doublings = 0;                     // of the region, until it was large enough
  std::string failure;                        // why there is no figure

  // The figures of the rounds that have one.
  [[nodiscard]] std::vector<double> figures() const;
  // Their median.
  [[nodiscard]] std::optional<double> figure() const;
};

class Results {
 public:
  Entry& at(const std::string& contender, const std::string& workload) {
    return entries_[{contender, workload}];
  }
  // Null if the contender did not play the workload.
  [[nodiscard]] const Entry* find(const std::string& contender, const std::string& workload) const;
  [[nodiscard]] std::optional<double> figure(const std::string& contender,
                                             const std::string& workload) const;
  // The time of `one` divided by that of `other`: the median of the ratios of the rounds.
  [[nodiscard]] std::optional<double> ratio(const std::string& one, const std::string& other,
                                            const std::string& workload) const;

  [[nodiscard]] const auto& entries() const { return entries_; }

 private:
  std::map<std::pair<std::string, std::string>, Entry> entries_;
};

}  // namespace bench
