// race.hpp: everybody on every load, in rounds.
//
// Contenders take turns: each plays each load once a round, in an order that moves on by one place
// every round, so that what slows the machine for a while slows all of them, and nobody is always
// first.
//
// A contender that a region is too small for gets one of twice the size, and again, up to 64 times;
// the report says so. One that did not settle, or failed, is not asked a second time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "contender.hpp"
#include "results.hpp"

namespace bench {

struct LoadSpec {
  std::string group;  // of loads that share a table
  std::string label;  // in the table
  std::string name;   // for a worker: see make_load
};

struct Plan {
  std::vector<Contender> contenders;
  std::vector<LoadSpec> loads;
  unsigned rounds = 5;
  Limits limits;
};

// `progress` is told before each load what comes now.
[[nodiscard]] Results race(const Plan& plan,
                           const std::function<void(const std::string&)>& progress);

}  // namespace bench
