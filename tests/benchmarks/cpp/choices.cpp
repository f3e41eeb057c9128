#include "choices.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <random>

#include "trace.hpp"

namespace bench {
namespace {

constexpr std::uint64_t seed = 20240229;
constexpr std::size_t shortest_circle = std::size_t{1} << 18;
constexpr std::size_t longest_circle = std::size_t{1} << 22;

constexpr std::uint32_t least = 16;
constexpr std::uint32_t most = 512;

constexpr double median_size = 64;
constexpr double sigma = 1.5;
constexpr double largest_size = 65536;

// The standard library's distributions differ from one library to the next; its generators do not.
class Dice {
 public:
  explicit Dice(Sizes sizes) : sizes_(sizes) {}

  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }

  std::uint32_t size() {
    return sizes_ == Sizes::uniform ? least + below(most - least + 1) : log_normal();
  }

 private:
  // Above 0, at most 1.
  double part() { return (static_cast<double>(random_() >> 11) + 1) / 9007199254740992.0; }

  // After Box and Muller.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(part()));
    return radius * std::cos(2 * std::numbers::pi * part());
  }

  std::uint32_t log_normal() {
    const double size = median_size * std::exp(sigma * normal());
    return static_cast<std::uint32_t>(std::clamp(size, 1.0, largest_size));
  }

  Sizes sizes_;
  std::mt19937_64 random_{seed};
};

// Plays the choices on a table of sizes.
Size peak_of(const Choices& choices) {
  std::vector<std::uint32_t> held = choices.first_sizes;
  Size total = 0;
  for (const std::uint32_t size : held) total += taken(size);
  Size peak = total;
  for (const Choice& choice : choices.circle) {
    total += taken(choice.size) - taken(held[choice.block]);
    held[choice.block] = choice.size;
    peak = std::max(peak, total);
  }
  return peak;
}

}  // namespace

Choices draw(std::uint32_t live, Sizes sizes) {
  Dice dice(sizes);
  Choices choices;
  choices.first_sizes.resize(live);
  std::ranges::generate(choices.first_sizes, [&] { return dice.size(); });
  choices.circle.resize(
      std::clamp(std::bit_ceil(std::size_t{live} * 4), shortest_circle, longest_circle));
  std::ranges::generate(choices.circle, [&] { return Choice{dice.below(live), dice.size()}; });
  choices.peak_taken = peak_of(choices);
  return choices;
}

}  // namespace bench
