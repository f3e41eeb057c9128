// statistics.hpp: the statistics of the benchmark: median, geometric mean, growth exponent.
//
// One slow moment of the machine can change a mean by any amount, but a median by one place only.
// So the figure of several rounds is their median. Ratios multiply, so their mean is the geometric
// one: twice as fast on one trace and half as fast on another is no difference on average.
//
// The growth of a cost is the exponent k in  cost = c * size^k : a straight line on logarithmic
// axes, whose slope is fitted by least squares. 0 is flat, 1 is linear.
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
