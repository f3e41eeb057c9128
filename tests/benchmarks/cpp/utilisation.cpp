#include "utilisation.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "ours.hpp"

namespace bench {
namespace {

using glassheap::granule_size;

constexpr Size coarsest_unit = 4096;
constexpr Size steps_up = 100;        // grows by a hundredth
constexpr unsigned tries_below = 16;  // sizes tried below the one that was found

using Serves = std::function<bool(Size)>;

// Tries the next few sizes below one that serves; and again below any that serves.
Size search_below(Size found, Size unit, const Serves& serves) {
  for (unsigned tries = 1; tries <= tries_below && tries * unit < found; ++tries) {
    if (!serves(found - tries * unit)) continue;
    found -= tries * unit;
    tries = 0;
  }
  return found;
}

// Plays the whole trace on a new heap, and stores the heap's own memory afterwards. Returns false
// if the region is too small.
bool play_whole(TraceWorkload& workload, const glassheap::Options& options, Size& own_memory) try {
  OurHeap heap(options);
  workload.rewind();
  if (workload.play(heap, workload.cycle_steps()) != workload.cycle_steps()) return false;
  own_memory = heap.own_memory();
  return true;
} catch (const std::runtime_error&) {  // the policy needs a larger region than this
  return false;
}

constexpr const char* searched_instead = "first_fit";
constexpr const char* not_searched = "sequential_fit";

// Fractions: of the region alone, and of the region and the heap's own memory.
struct Figure {
  double region = 0;
  double all = 0;
};
using Figures = std::map<std::pair<std::string, std::string>, Figure>;  // by contender and trace

Figure figure(Size payload, const Requirement& requirement) {
  const auto bytes = static_cast<double>(payload);
  return {bytes / static_cast<double>(requirement.region),
          bytes / static_cast<double>(requirement.region + requirement.own_memory)};
}

std::string cell(const Figures& figures, const std::string& contender, const std::string& trace) {
  const Figure& figure = figures.at({contender, trace});
  return percent(figure.all) + " (" + percent(figure.region) + ")";
}

// The mean over the traces of the bar; none if one of them was not measured.
std::optional<double> mean(const Figures& figures, const std::string& contender) {
  double sum = 0;
  for (const char* trace : {"cc1", "git", "jq"}) {
    const auto found = figures.find({contender, trace});
    if (found == figures.end()) return std::nullopt;
    sum += found->second.all;
  }
  return sum / 3;
}

// Measures every contender on one trace.
void search(const std::vector<Contender>& contenders, const std::string& trace,
            const std::function<void(const std::string&)>& progress, Figures& figures) {
  TraceWorkload workload(read_trace(trace));
  std::map<std::pair<std::string, bool>, Requirement> requirements;  // by policy and headers
  for (const Contender& contender : contenders) {
    progress("utilisation: " + trace_name(trace) + ", " + contender.name);
    const bool skipped = contender.policy == not_searched;
    const std::string policy = skipped ? searched_instead : contender.policy;
    const auto [requirement, fresh] = requirements.try_emplace({policy, contender.headers});
    if (fresh) requirement->second = smallest_region(workload, policy, contender.headers);
    figures[{contender.name, trace_name(trace)}] =
        figure(workload.trace().peak_payload, requirement->second);
  }
}

Section table(const std::vector<Contender>& contenders, const std::vector<std::string>& traces,
              const Figures& figures) {
  Section section{
      .title = "Peak utilisation",
      .notes = {"The peak payload, as a share of the smallest region found to serve the trace plus "
                "the heap's memory outside it; in brackets, as a share of the region alone. The "
                "search ends at a thousandth of the payload or 4 KiB. sequential_fit has the "
                "addresses of first_fit, and so its figures."},
      .columns = {"policy"}};
  for (const std::string& trace : traces) section.columns.push_back(trace_name(trace));
  for (const Contender& contender : contenders) {
    std::vector<std::string>& row = section.rows.emplace_back(1, contender.name);
    for (const std::string& trace : traces)
      row.push_back(cell(figures, contender.name, trace_name(trace)));
  }
  return section;
}

}  // namespace

Size smallest_serving(Size start, Size unit, const std::function<bool(Size)>& serves) {
  Size high = glassheap::round_up(std::max(start, granule_size), granule_size);
  Size low = high - granule_size;  // too little, by a granule
  while (!serves(high)) {
    low = high;
    high += glassheap::round_up(high / steps_up, granule_size);
  }
  while (high - low > unit) {
    const Size middle = low + glassheap::round_up((high - low) / 2, granule_size);
    (serves(middle) ? high : low) = middle;
  }
  return search_below(high, unit, serves);
}

Requirement smallest_region(TraceWorkload& workload, const std::string& policy, bool headers) {
  const Size payload = workload.trace().peak_payload;
  const Size unit = std::min(coarsest_unit, glassheap::round_up(payload / 1000 + 1, granule_size));
  Requirement requirement;
  requirement.region = smallest_serving(payload, unit, [&](Size region) {
    return play_whole(workload, options_for(policy, headers, region), requirement.own_memory);
  });
  return requirement;
}

Utilisation measure_utilisation(const std::vector<Contender>& contenders,
                                const std::vector<std::string>& traces,
                                const std::function<void(const std::string&)>& progress) {
  std::vector<Contender> own_memory;
  std::ranges::copy_if(contenders, std::back_inserter(own_memory), &Contender::ours);
  Figures figures;
  for (const std::string& trace : traces) search(own_memory, trace, progress, figures);
  return {table(own_memory, traces, figures),
          {{"segregated_fit/headerless, utilisation, mean of cc1, git and jq", Bar::Side::at_least,
            0.9, "", mean(figures, "segregated_fit/headerless")}}};
}

}  // namespace bench
