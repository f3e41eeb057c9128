// utilisation.hpp: the smallest region that serves a trace.
//
// Peak utilisation is what a program had in use at its fullest moment, as a part of the memory that
// its heap needed to serve it. It is found by trying: from the payload on, the region grows by a
// hundredth until it serves; then the limit is closed in by halves, down to a thousandth of the
// payload or 4 KiB, whichever is less.
//
// Larger is not always better: a region of another size shifts where a policy puts things, and may
// fail where a smaller one served. Hence the small steps from below, and not the fewer ones of a
// search by halves from the start; and below the size that was found the next few are tried as
// well, and the search goes on from any that serves. What is reported did serve, in full; that no
// smaller one does is likely, and not proved.
//
// sequential_fit hands out the addresses of first_fit, by definition, and is not searched: the
// figure is first_fit's.
#pragma once

#include <functional>

#include "contender.hpp"
#include "report.hpp"

namespace bench {

struct Need {
  Size region = 0;  // bytes
  Size own = 0;     // bytes outside of the region, after the trace
};

// The smallest size found for which `serves`, from `start` up, in steps of `unit` bytes.
[[nodiscard]] Size smallest_serving(Size start, Size unit, const std::function<bool(Size)>& serves);

// The smallest region found in which the heap serves the trace.
[[nodiscard]] Need smallest_region(TraceLoad& load, const std::string& policy, bool headers);

struct Utilisation {
  Section section;
  std::vector<Bar> bars;
};

// For each contender of glassheap's and each of the trace files.
[[nodiscard]] Utilisation measure_utilisation(
    const std::vector<Contender>& contenders, const std::vector<std::string>& traces,
    const std::function<void(const std::string&)>& progress);

}  // namespace bench
