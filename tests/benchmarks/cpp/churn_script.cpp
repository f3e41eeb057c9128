#include "churn_script.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <random>

#include "trace.hpp"

namespace bench {
namespace {

constexpr std::uint64_t seed = 20240229;
constexpr std::size_t shortest_ring = std::size_t{1} << 18;
constexpr std::size_t longest_ring = std::size_t{1} << 22;

constexpr std::uint32_t least = 16;
constexpr std::uint32_t most = 512;

constexpr double median_size = 64;
constexpr double sigma = 1.5;
constexpr double largest_size = 65536;

// The distributions of the standard library differ between implementations; its generators do not.
class Generator {
 public:
  explicit Generator(Sizes sizes) : sizes_(sizes) {}

  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }

  std::uint32_t size() {
    return sizes_ == Sizes::uniform ? least + below(most - least + 1) : log_normal();
  }

 private:
  // Uniform, above 0 and at most 1.
  double unit_interval() { return (static_cast<double>(random_() >> 11) + 1) / 9007199254740992.0; }

  // By the method of Box and Muller.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(unit_interval()));
    return radius * std::cos(2 * std::numbers::pi * unit_interval());
  }

  std::uint32_t log_normal() {
    const double size = median_size * std::exp(sigma * normal());
    return static_cast<std::uint32_t>(std::clamp(size, 1.0, largest_size));
  }

  Sizes sizes_;
  std::mt19937_64 random_{seed};
};

// Plays the script on a table of sizes.
Size peak_of(const ChurnScript& script) {
  std::vector<std::uint32_t> held = script.first_sizes;
  Size total = 0;
  for (const std::uint32_t size : held) total += taken(size);
  Size peak = total;
  for (const Replacement& replacement : script.ring) {
    total += taken(replacement.size) - taken(held[replacement.block]);
    held[replacement.block] = replacement.size;
    peak = std::max(peak, total);
  }
  return peak;
}

}  // namespace

ChurnScript draw_churn(std::uint32_t live, Sizes sizes) {
  Generator generator(sizes);
  ChurnScript script;
  script.first_sizes.resize(live);
  std::ranges::generate(script.first_sizes, [&] { return generator.size(); });
  script.ring.resize(std::clamp(std::bit_ceil(std::size_t{live} * 4), shortest_ring, longest_ring));
  std::ranges::generate(script.ring,
                        [&] { return Replacement{generator.below(live), generator.size()}; });
  script.peak_taken = peak_of(script);
  return script;
}

}  // namespace bench
