#include "workloads.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <random>
#include <stdexcept>
#include <utility>

namespace bench {
namespace {

constexpr std::uint64_t seed = 20240229;
constexpr std::size_t least_pairs = std::size_t{1} << 18;

std::uint32_t draw_size(Sizes sizes, std::mt19937_64& random) {
  if (sizes == Sizes::uniform) return std::uniform_int_distribution<std::uint32_t>(16, 512)(random);
  std::lognormal_distribution<> size(std::log(64), 1.5);
  return static_cast<std::uint32_t>(std::clamp(size(random), 1.0, 65536.0));
}

Size extent(Size size) {
  return glassheap::granule_size + glassheap::round_up(size, glassheap::granule_size);
}

// A total that changes with the sizes of blocks, and its peak.
class Total {
 public:
  void change(Size& block, Size now) {
    total_ += now - std::exchange(block, now);
    peak_ = std::max(peak_, total_);
  }
  [[nodiscard]] Size peak() const { return peak_; }

 private:
  Size total_ = 0, peak_ = 0;
};

// The workload with the number of its blocks, its peaks, and a region of twice the peak of what the
// blocks take in a heap with headers, plus 64 KiB.
Workload measured(Workload workload) {
  struct Block {
    Size taken = 0, requested = 0;
  };
  std::vector<Block> blocks;
  Total taken, requested;
  for (const auto* operations : {&workload.fill, &workload.loop}) {
    for (const auto& [action, block, size] : *operations) {
      if (block >= blocks.size()) blocks.resize(block + 1);
      taken.change(blocks[block].taken, action == Action::release ? 0 : extent(size));
      requested.change(blocks[block].requested, size);
    }
  }
  workload.blocks = blocks.size();
  workload.region = 2 * taken.peak() + 65536;
  workload.payload = requested.peak();
  return workload;
}

}  // namespace

Workload read_trace(const std::string& path) {
  std::ifstream file(path);
  Workload trace;
  std::uint32_t block = 0, size = 0;
  for (char action = 0; file >> action;) {
    if (!(file >> block >> size)) throw std::runtime_error(path + ": a line is no operation");
    trace.loop.push_back({Action{action}, block, size});
  }
  if (trace.loop.empty()) throw std::runtime_error(path + ": it has no operation");
  trace.batch = trace.warmup = trace.loop.size();
  return measured(std::move(trace));
}

Workload draw_churn(std::uint32_t live, Sizes sizes) {
  std::mt19937_64 random{seed};
  std::uniform_int_distribution<std::uint32_t> any(0, live - 1);
  // After two replacements per block, one in seven of the first blocks is left.
  Workload churn{.step = 2, .batch = 2048, .warmup = 4 * std::size_t{live}};
  for (std::uint32_t block = 0; block < live; ++block)
    churn.fill.push_back({Action::allocate, block, draw_size(sizes, random)});
  const std::size_t pairs = std::max(std::bit_ceil(std::size_t{live} * 4), least_pairs);
  while (churn.loop.size() < 2 * pairs) {
    const std::uint32_t block = any(random);
    churn.loop.push_back({Action::release, block, 0});
    churn.loop.push_back({Action::allocate, block, draw_size(sizes, random)});
  }
  return measured(std::move(churn));
}

Workload make_lifo() {
  Workload lifo{.step = 2, .batch = 2048, .warmup = 20'000};
  while (lifo.loop.size() < lifo.batch) {
    lifo.loop.push_back({Action::allocate, 0, 64});
    lifo.loop.push_back({Action::release, 0, 0});
  }
  return measured(std::move(lifo));
}

}  // namespace bench
