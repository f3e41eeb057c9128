// speed.hpp: the race, read: its tables, what is derived from them, and the bars on it.
#pragma once

#include "race.hpp"
#include "report.hpp"

namespace bench {

// The names of the groups that main's loads are sorted in; each gets a table.
inline constexpr const char* trace_group = "Traces: ns an operation";
inline constexpr const char* uniform_group = "Churn, 16 to 512 bytes: ns a pair";
inline constexpr const char* log_normal_group = "Churn, log-normal sizes: ns a pair";
inline constexpr const char* lifo_group = "One block at a time: ns a pair";

// The loads: `traces` are files, `lives` numbers of live blocks.
[[nodiscard]] std::vector<LoadSpec> load_specs(const std::vector<std::string>& traces,
                                               const std::vector<unsigned>& lives);

// Who took part, from where, and who is missing.
[[nodiscard]] Section contender_section(const std::vector<Contender>& contenders);
// One table for each group of loads.
[[nodiscard]] std::vector<Section> group_sections(const Plan& plan, const Results& results);
// How a churn's cost grows from 100 live blocks to 10,000.
[[nodiscard]] Section growth_section(const Plan& plan, const Results& results);
// What is compared, load by load.
[[nodiscard]] Section ratio_section(const Plan& plan, const Results& results);

[[nodiscard]] std::vector<Bar> speed_bars(const Plan& plan, const Results& results);

}  // namespace bench
