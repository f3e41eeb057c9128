#include "speed.hpp"

#include <algorithm>

#include "statistics.hpp"

namespace bench {
namespace {

constexpr const char* lifo = "lifo";
constexpr unsigned growth_lives[] = {100, 1000, 10'000};

std::string churn(const char* sizes, unsigned live) {
  return std::string("churn:") + sizes + ":" + std::to_string(live);
}

// --- Tables. -----------------------------------------------------------------------------------

// The median, and in brackets the least and the most; an unsettled figure is a lower bound.
std::string cell(const Entry* entry) {
  if (entry == nullptr) return "-";
  const std::vector<double> figures = entry->figures();
  if (figures.empty()) return entry->failure;
  const std::string middle = number(median(figures));
  if (entry->unsettled) return "over " + middle;
  const auto [least, most] = std::ranges::minmax(figures);
  return middle + " (" + number(least) + " to " + number(most) + ")";
}

const char* about(const std::string& group) {
  if (group == trace_group)
    return "A trace is played in a loop. Blocks that its program never freed are freed at its end. "
           "The region is twice the peak of its blocks, plus 64 KiB.";
  if (group == lifo_group) return "malloc(64) and free, on a heap that is otherwise empty.";
  return "N live blocks; a pair frees one at random and allocates a new one. The clock starts "
         "after 2 N pairs. The region is twice the peak of the blocks, plus 64 KiB.";
}

std::vector<WorkloadSpec> workloads_of(const Plan& plan, const std::string& group) {
  std::vector<WorkloadSpec> found;
  std::ranges::copy_if(plan.workloads, std::back_inserter(found),
                       [&](const WorkloadSpec& workload) { return workload.group == group; });
  return found;
}

// A sentence that names the contenders that needed a larger region; empty if none did.
std::string larger_regions(const Plan& plan, const std::vector<WorkloadSpec>& workloads,
                           const Results& results) {
  std::string list;
  for (const Contender& contender : plan.contenders) {
    for (const WorkloadSpec& workload : workloads) {
      const Entry* const entry = results.find(contender.name, workload.name);
      if (entry == nullptr || entry->doublings == 0) continue;
      const std::string times = std::to_string(1U << entry->doublings) + " times";
      list += (list.empty() ? "" : "; ") + contender.name + " on " + workload.label + ": " + times;
    }
  }
  return list.empty() ? "" : "Refused in that region, and run in a larger one: " + list + ".";
}

Section group_section(const std::string& group, const Plan& plan, const Results& results) {
  const std::vector<WorkloadSpec> workloads = workloads_of(plan, group);
  Section section{.title = group, .notes = {about(group)}, .columns = {"by"}};
  for (const WorkloadSpec& workload : workloads) section.columns.push_back(workload.label);
  for (const Contender& contender : plan.contenders) {
    std::vector<std::string>& row = section.rows.emplace_back(1, contender.name);
    for (const WorkloadSpec& workload : workloads)
      row.push_back(cell(results.find(contender.name, workload.name)));
  }
  const std::string larger = larger_regions(plan, workloads, results);
  if (!larger.empty()) section.notes.push_back(larger);
  return section;
}

// --- Derived figures. --------------------------------------------------------------------------

std::optional<double> growth(const Results& results, const std::string& contender,
                             const char* sizes) {
  std::vector<Point> points;
  for (const unsigned live : growth_lives) {
    const auto figure = results.figure(contender, churn(sizes, live));
    if (!figure) return std::nullopt;
    points.push_back({static_cast<double>(live), *figure});
  }
  return growth_exponent(points);
}

// The largest of the figures from 100 live blocks to 10,000.
std::optional<double> slowest(const Results& results, const std::string& contender) {
  std::optional<double> most;
  for (const unsigned live : growth_lives) {
    const auto figure = results.figure(contender, churn("uniform", live));
    if (!figure) return std::nullopt;
    most = std::max(most.value_or(0), *figure);
  }
  return most;
}

struct Comparison {
  const char* one;
  const char* other;
};

constexpr Comparison walked{"sequential_fit", "first_fit"};
constexpr Comparison against_dlmalloc{"segregated_fit", "boost dlmalloc"};
constexpr Comparison against_tlsf{"segregated_fit", "tlsf"};

std::optional<double> ratio(const Results& results, Comparison comparison,
                            const std::string& workload) {
  return results.ratio(comparison.one, comparison.other, workload);
}

// The ratios on those of these workloads that have one.
std::vector<double> ratios(const Results& results, Comparison comparison,
                           const std::vector<WorkloadSpec>& workloads) {
  std::vector<double> found;
  for (const WorkloadSpec& workload : workloads) {
    if (const auto figure = ratio(results, comparison, workload.name)) found.push_back(*figure);
  }
  return found;
}

std::optional<double> mean(const std::vector<double>& ratios) {
  if (ratios.empty()) return std::nullopt;
  return geometric_mean(ratios);
}

std::optional<double> most(const std::vector<double>& ratios) {
  if (ratios.empty()) return std::nullopt;
  return std::ranges::max(ratios);
}

std::string heading(Comparison comparison) {
  return std::string(comparison.one) + " / " + comparison.other;
}

}  // namespace

std::vector<WorkloadSpec> workload_specs(const std::vector<std::string>& traces,
                                         const std::vector<unsigned>& lives) {
  std::vector<WorkloadSpec> specs;
  for (const std::string& file : traces)
    specs.push_back({trace_group, trace_name(file), "trace:" + file});
  for (const unsigned live : lives)
    specs.push_back({uniform_group, "N = " + number(live), churn("uniform", live)});
  for (const unsigned live : lives)
    specs.push_back({log_normal_group, "N = " + number(live), churn("log-normal", live)});
  specs.push_back({lifo_group, "64 bytes", lifo});
  return specs;
}

Section contender_section(const std::vector<Contender>& contenders) {
  Section section{
      .title = "Contenders",
      .notes =
          {"The contenders of glassheap lock, and check every pointer. std::pmr and "
           "Boost.Interprocess run without a lock. They have no realloc: a block is moved instead, "
           "as in dlmalloc where it cannot grow in place."},
      .columns = {"name", "version", "memory comes from"}};
  for (const Contender& contender : contenders) {
    const std::string missing = "MISSING (Debian: " + contender.package + ")";
    section.rows.push_back(
        {contender.name, contender.missing() ? missing : contender.peer.version, contender.memory});
  }
  return section;
}

std::vector<Section> group_sections(const Plan& plan, const Results& results) {
  std::vector<Section> sections;
  for (const char* group : {trace_group, uniform_group, log_normal_group, lifo_group}) {
    if (!workloads_of(plan, group).empty()) sections.push_back(group_section(group, plan, results));
  }
  return sections;
}

Section growth_section(const Plan& plan, const Results& results) {
  Section section{
      .title = "Growth of the cost of a churn",
      .notes = {"The exponent k of N^k, fitted to N = 100, 1,000 and 10,000: 0 is flat, 1 linear."},
      .columns = {"by", "16 to 512 bytes", "log-normal"}};
  for (const Contender& contender : plan.contenders) {
    section.rows.push_back({contender.name, number(growth(results, contender.name, "uniform")),
                            number(growth(results, contender.name, "log-normal"))});
  }
  return section;
}

Section ratio_section(const Plan& plan, const Results& results) {
  Section section{
      .title = "Ratios",
      .notes = {"The first contender's time over the second's, all with headers. Where a walk did "
                "not settle, the ratio is a lower bound."},
      .columns = {"load", heading(walked), heading(against_dlmalloc), heading(against_tlsf)}};
  for (const WorkloadSpec& workload : plan.workloads) {
    const std::string group = workload.group.substr(0, workload.group.find(':'));
    std::vector<std::string>& row = section.rows.emplace_back(1, group + ", " + workload.label);
    for (const Comparison comparison : {walked, against_dlmalloc, against_tlsf})
      row.push_back(number(ratio(results, comparison, workload.name)));
  }
  return section;
}

std::vector<Bar> speed_bars(const Plan& plan, const Results& results) {
  using enum Bar::Side;
  const auto on_traces = ratios(results, against_dlmalloc, workloads_of(plan, trace_group));
  const std::string k = "first_fit, churn of 16 to 512 bytes, ";
  return {
      {k + "growth from 100 to 10,000", at_most, 0.1, "", growth(results, "first_fit", "uniform")},
      {k + "slowest of 100 to 10,000", at_most, 80, " ns a pair", slowest(results, "first_fit")},
      {k + "sequential_fit at 100,000", at_least, 300, " times as slow",
       ratio(results, walked, churn("uniform", 100'000))},
      {"first_fit, one block at a time", at_most, 10, " ns a pair",
       results.figure("first_fit", lifo)},
      {"segregated_fit / dlmalloc, mean of the traces", at_most, 1.1, " times", mean(on_traces)},
      {"segregated_fit / dlmalloc, worst of the traces", at_most, 1.1, " times", most(on_traces)},
      {"segregated_fit, churn of 16 to 512 bytes, at 1,000", at_most, 30, " ns a pair",
       results.figure("segregated_fit", churn("uniform", 1000))},
      {"segregated_fit / tlsf, worst of all loads", at_most, 1, " times",
       most(ratios(results, against_tlsf, plan.workloads))},
  };
}

}  // namespace bench
