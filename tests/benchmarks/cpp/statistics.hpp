// statistics.hpp: the few numbers that a benchmark is read by.
//
// One slow moment of the machine moves a mean as far as it likes; it moves a median by one place.
// So the figure of several rounds is their median. Ratios multiply, so they are averaged
// geometrically: twice as fast on one trace and half as fast on another is no difference.
//
// How a cost grows is the exponent k in  cost = c * size^k : a straight line on paper with
// logarithmic axes, whose slope is fitted by least squares. 0 is flat, 1 is linear.
#pragma once

#include <vector>

namespace bench {

struct Point {
  double size;
  double cost;
};

// Of at least one value.
[[nodiscard]] double median(std::vector<double> values);
// Of at least one value, all above 0.
[[nodiscard]] double geometric_mean(const std::vector<double>& values);
// Of points with at least two different sizes, all numbers above 0.
[[nodiscard]] double growth_exponent(const std::vector<Point>& points);

}  // namespace bench
