// speed.hpp: the results of an interleaved run: tables, derived figures, and bars.
#pragma once

#include "interleaved_run.hpp"
#include "report.hpp"

namespace bench {

// The groups of workloads; each has a table.
inline constexpr const char* trace_group = "Traces: ns an operation";
inline constexpr const char* uniform_group = "Churn, 16 to 512 bytes: ns a pair";
inline constexpr const char* log_normal_group = "Churn, log-normal sizes: ns a pair";
inline constexpr const char* lifo_group = "One block at a time: ns a pair";

// The workloads: `traces` are files, `lives` numbers of live blocks.
[[nodiscard]] std::vector<WorkloadSpec> workload_specs(const std::vector<std::string>& traces,
                                                       const std::vector<unsigned>& lives);

// The contenders, their versions, and those that are missing.
[[nodiscard]] Section contender_section(const std::vector<Contender>& contenders);
// One table for each group of workloads.
[[nodiscard]] std::vector<Section> group_sections(const Plan& plan, const Results& results);
// The growth of a churn's cost from 100 live blocks to 10,000.
[[nodiscard]] Section growth_section(const Plan& plan, const Results& results);
// Pairs of contenders, compared on each workload.
[[nodiscard]] Section ratio_section(const Plan& plan, const Results& results);

[[nodiscard]] std::vector<Bar> speed_bars(const Plan& plan, const Results& results);

}  // namespace bench
