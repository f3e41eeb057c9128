#include "interleaved_run.hpp"

#include "worker.hpp"

namespace bench {
namespace {

constexpr unsigned most_doublings = 6;

std::optional<double> play(const Contender& contender, const WorkloadSpec& workload,
                           const Limits& limits, Entry& entry) {
  Turn turn = take_turn(contender, workload.name, entry.doublings, limits);
  while (turn.failure.empty() && turn.outcome.verdict == Verdict::refused &&
         entry.doublings < most_doublings) {
    ++entry.doublings;
    turn = take_turn(contender, workload.name, entry.doublings, limits);
  }
  entry.failure = turn.failure;
  if (turn.outcome.verdict == Verdict::refused && turn.failure.empty()) entry.failure = "refused";
  if (!entry.failure.empty()) return std::nullopt;
  entry.unsettled = turn.outcome.verdict == Verdict::unsettled;
  return turn.outcome.nanoseconds;
}

void take_part(const Plan& plan, const Contender& contender, const WorkloadSpec& workload,
               Entry& entry) {
  if (contender.missing()) entry.failure = "missing";
  const bool again = entry.failure.empty() && !entry.unsettled;
  entry.rounds.push_back(again ? play(contender, workload, plan.limits, entry) : std::nullopt);
}

}  // namespace

Results run_interleaved(const Plan& plan, const std::function<void(const std::string&)>& progress) {
  Results results;
  for (unsigned round = 0; round < plan.rounds; ++round) {
    for (const WorkloadSpec& workload : plan.workloads) {
      progress("round " + std::to_string(round + 1) + " of " + std::to_string(plan.rounds) + ": " +
               workload.group + ", " + workload.label);
      for (std::size_t i = 0; i < plan.contenders.size(); ++i) {
        const Contender& contender = plan.contenders[(round + i) % plan.contenders.size()];
        take_part(plan, contender, workload, results.at(contender.name, workload.name));
      }
    }
  }
  return results;
}

}  // namespace bench
