#include "workloads.hpp"

#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <random>
#include <stdexcept>

namespace bench {
namespace {

// --- Reading a trace. --------------------------------------------------------------------------

template <typename Value>
std::vector<Value> read_values(std::istream& file, std::size_t count) {
  std::vector<Value> values(count);
  const auto bytes = static_cast<std::streamsize>(count * sizeof(Value));
  if (!file.read(reinterpret_cast<char*>(values.data()), bytes))
    throw std::runtime_error("it is not a trace that measure.py has written");
  return values;
}

// --- Drawing a churn. --------------------------------------------------------------------------

constexpr std::uint64_t seed = 20240229;
constexpr std::size_t shortest_ring = std::size_t{1} << 18;

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

// The bytes that a block of `size` bytes takes in a heap with headers.
Size taken(Size size) {
  return glassheap::granule_size + glassheap::round_up(size, glassheap::granule_size);
}

// Plays the script on a table of sizes.
Size peak_of(const ChurnScript& script) {
  std::vector<std::uint32_t> held = script.first_sizes;
  Size total = 0;
  for (const std::uint32_t size : held) total += taken(size);
  Size peak = total;
  for (const auto& [block, size] : script.ring) {
    total += taken(size) - taken(held[block]);
    held[block] = size;
    peak = std::max(peak, total);
  }
  return peak;
}

}  // namespace

Trace read_trace(const std::string& path) try {
  std::ifstream file(path, std::ios::binary);
  const auto counts = read_values<std::uint64_t>(file, 3);
  const auto kinds = read_values<Action>(file, counts[0]);
  const auto blocks = read_values<std::uint32_t>(file, counts[0]);
  const auto sizes = read_values<Size>(file, counts[0]);
  Trace trace{std::filesystem::path(path).stem(), {}, counts[1], counts[2]};
  for (std::size_t i = 0; i < counts[0]; ++i)
    trace.operations.push_back({kinds[i], blocks[i], sizes[i]});
  return trace;
} catch (const std::exception& error) {
  throw std::runtime_error(path + ": " + error.what());
}

ChurnScript draw_churn(std::uint32_t live, Sizes sizes) {
  Generator generator(sizes);
  ChurnScript script;
  script.first_sizes.resize(live);
  std::ranges::generate(script.first_sizes, [&] { return generator.size(); });
  script.ring.resize(std::max(std::bit_ceil(std::size_t{live} * 4), shortest_ring));
  std::ranges::generate(script.ring,
                        [&] { return Replacement{generator.below(live), generator.size()}; });
  script.peak = peak_of(script);
  return script;
}

}  // namespace bench
