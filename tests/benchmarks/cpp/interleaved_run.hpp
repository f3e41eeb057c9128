// interleaved_run.hpp: every contender on every workload, in rounds.
//
// Contenders take turns: each plays each workload once per round, in an order that is rotated by
// one place every round. So a temporary slowdown of the machine affects all of them, and no
// contender is always first.
//
// If a region is too small for a contender, its size is doubled, and again, up to 64 times the
// size; the report says so. A contender that did not settle, or failed, does not play that workload
// again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "contender.hpp"
#include "results.hpp"

namespace bench {

struct WorkloadSpec {
  std::string group;  // of workloads that share a table
  std::string label;  // in the table
  std::string name;   // for make_workload, in a worker
};

struct Plan {
  std::vector<Contender> contenders;
  std::vector<WorkloadSpec> workloads;
  unsigned rounds = 5;
  Limits limits;
};

// Calls `progress` with a description before each workload.
[[nodiscard]] Results run_interleaved(const Plan& plan,
                                      const std::function<void(const std::string&)>& progress);

}  // namespace bench
