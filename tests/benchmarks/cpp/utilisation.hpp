// utilisation.hpp: the smallest region that serves a trace.
//
// Peak utilisation is the largest payload that a program had in use at once, divided by the memory
// that its heap needed to serve it. It is found by trial: starting from the payload, the region
// grows by a hundredth until it serves the trace; then a bisection narrows the limit down to a
// thousandth of the payload or 4 KiB, whichever is less.
//
// Larger is not always better: in a region of another size a policy places blocks differently, and
// may fail where a smaller one served. Hence the small steps from below, instead of a bisection
// from the start. Also, the next few sizes below the result are tried, and the search continues
// from any that serves. The reported size did serve the whole trace; that no smaller one does is
// likely, but not proved.
//
// sequential_fit returns the addresses of first_fit, by definition, and is not searched: its figure
// is that of first_fit.
#pragma once

#include <functional>

#include "contender.hpp"
#include "report.hpp"

namespace bench {

struct Requirement {
  Size region = 0;      // bytes
  Size own_memory = 0;  // bytes outside of the region, after the trace
};

// The smallest size found, from `start` up, for which `serves` returns true; exact to `unit` bytes.
[[nodiscard]] Size smallest_serving(Size start, Size unit, const std::function<bool(Size)>& serves);

// The smallest region found in which the heap serves the trace.
[[nodiscard]] Requirement smallest_region(TraceWorkload& workload, const std::string& policy,
                                          bool headers);

struct Utilisation {
  Section section;
  std::vector<Bar> bars;
};

// Measures each contender of glassheap on each of the trace files.
[[nodiscard]] Utilisation measure_utilisation(
    const std::vector<Contender>& contenders, const std::vector<std::string>& traces,
    const std::function<void(const std::string&)>& progress);

}  // namespace bench
