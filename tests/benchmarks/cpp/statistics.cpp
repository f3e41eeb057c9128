#include "statistics.hpp"

#include <algorithm>
#include <cmath>

namespace bench {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  if (values.size() % 2 == 1) return values[half];
  return (values[half - 1] + values[half]) / 2;
}

double geometric_mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return std::exp(sum / static_cast<double>(values.size()));
}

double growth_exponent(const std::vector<Point>& points) {
  double sum = 0;
  for (const Point& point : points) sum += std::log(point.size);
  const double mean = sum / static_cast<double>(points.size());
  double products = 0;
  double squares = 0;
  for (const Point& point : points) {
    const double x = std::log(point.size) - mean;
    products += x * std::log(point.cost);  // the x sum to 0, so the cost need not be centred too
    squares += x * x;
  }
  return products / squares;
}

}  // namespace bench
