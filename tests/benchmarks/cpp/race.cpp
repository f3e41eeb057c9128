#include "race.hpp"

#include "worker.hpp"

namespace bench {
namespace {

constexpr unsigned most_doublings = 6;

std::optional<double> play(const Contender& contender, const LoadSpec& load, const Limits& limits,
                           Entry& entry) {
  Turn turn = take_turn(contender, load.name, entry.doublings, limits);
  while (turn.trouble.empty() && turn.outcome.verdict == Verdict::refused &&
         entry.doublings < most_doublings) {
    ++entry.doublings;
    turn = take_turn(contender, load.name, entry.doublings, limits);
  }
  entry.trouble = turn.trouble;
  if (turn.outcome.verdict == Verdict::refused && turn.trouble.empty()) entry.trouble = "refused";
  if (!entry.trouble.empty()) return std::nullopt;
  entry.unsettled = turn.outcome.verdict == Verdict::unsettled;
  return turn.outcome.nanoseconds;
}

void take_part(const Plan& plan, const Contender& contender, const LoadSpec& load, Entry& entry) {
  if (contender.missing()) entry.trouble = "missing";
  const bool again = entry.trouble.empty() && !entry.unsettled;
  entry.rounds.push_back(again ? play(contender, load, plan.limits, entry) : std::nullopt);
}

}  // namespace

Results race(const Plan& plan, const std::function<void(const std::string&)>& progress) {
  Results results;
  for (unsigned round = 0; round < plan.rounds; ++round) {
    for (const LoadSpec& load : plan.loads) {
      progress("round " + std::to_string(round + 1) + " of " + std::to_string(plan.rounds) + ": " +
               load.group + ", " + load.label);
      for (std::size_t i = 0; i < plan.contenders.size(); ++i) {
        const Contender& contender = plan.contenders[(round + i) % plan.contenders.size()];
        take_part(plan, contender, load, results.at(contender.name, load.name));
      }
    }
  }
  return results;
}

}  // namespace bench
