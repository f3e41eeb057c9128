// results.hpp: what the race came to, by contender and load.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

// What a contender did on a load.
struct Entry {
  std::vector<std::optional<double>> rounds;  // ns a step; none where a round gave no figure
  bool unsettled = false;                     // the figures are too good
  unsigned doublings = 0;                     // of the region, until it was not refused
  std::string trouble;                        // why there is no figure

  // The figures that there are.
  [[nodiscard]] std::vector<double> figures() const;
  // Their median.
  [[nodiscard]] std::optional<double> figure() const;
};

class Results {
 public:
  Entry& at(const std::string& contender, const std::string& load) {
    return entries_[{contender, load}];
  }
  // Null if the contender was not given the load.
  [[nodiscard]] const Entry* find(const std::string& contender, const std::string& load) const;
  [[nodiscard]] std::optional<double> figure(const std::string& contender,
                                             const std::string& load) const;
  // How many times `other`'s time `one` takes: the median of the ratios of each round.
  [[nodiscard]] std::optional<double> ratio(const std::string& one, const std::string& other,
                                            const std::string& load) const;

  [[nodiscard]] const auto& entries() const { return entries_; }

 private:
  std::map<std::pair<std::string, std::string>, Entry> entries_;
};

}  // namespace bench
