// Small-scope exhaustive test: every heap that can be reached in a region of nine granules, or eight
// if coalescing is deferred, and every operation on each of them. After each operation the heap must
// equal the model. Nearly every bug of an allocator shows in some tiny heap; random runs may miss
// that heap, this test does not.

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "every_policy.hpp"
#include "limits.hpp"

namespace glassheap {
namespace {

// One operation. A block is identified by its index among the live blocks, in address order.
struct Step {
  enum class Kind { malloc, free, realloc } kind;
  Size size = 0;
  Size align = 16;
  std::size_t block = 0;
};

void PrintTo(const Step& step, std::ostream* out) {
  const char* const names[] = {"malloc", "free", "realloc"};
  *out << names[static_cast<int>(step.kind)] << " #" << step.block << ' ' << step.size << '@'
       << step.align;
}

// The requests, by size and alignment, and the new sizes for any live block. They make gaps in
// front of blocks and behind them, of one granule and of more.
constexpr std::pair<Size, Size> requests[] = {{0, 16}, {16, 16}, {40, 16}, {20, 32}};
constexpr Size new_sizes[] = {0, 30, 60};

std::vector<Step> possible_steps(std::size_t live) {
  std::vector<Step> steps;
  for (const auto& [size, align] : requests) steps.push_back({Step::Kind::malloc, size, align});
  for (std::size_t block = 0; block < live; ++block) {
    steps.push_back({Step::Kind::free, 0, 16, block});
    for (const Size size : new_sizes) steps.push_back({Step::Kind::realloc, size, 16, block});
  }
  return steps;
}

// Traverses the graph of all heaps, breadth first. Two heaps are the same if they have the same
// blocks, the same list and the same rover: then they behave alike from there on.
class Explorer {
 public:
  explicit Explorer(const Options& options) : heap_(options) {}

  // Takes `most` steps at most.
  void explore(int most) {
    discover({});
    for (; !queue_.empty(); queue_.pop_front()) {
      for (const Step& step : possible_steps(queue_.front().live)) {
        if (most-- == 0) return;
        ASSERT_NO_THROW(explore(queue_.front(), step))
            << ::testing::PrintToString(step) << " after "
            << ::testing::PrintToString(queue_.front().path);
      }
    }
  }

 private:
  using Identity = std::vector<Address>;
  struct State {
    Identity identity;
    std::vector<Step> path;  // one that leads to it from the fresh heap
    std::size_t live;
  };

  // Takes a step from a state. The heap is often in that state still, or again.
  void explore(const State& from, const Step& step) {
    if (now_ != from.identity) {
      heap_.reset();
      for (const Step& earlier : from.path) take(earlier);
    }
    const Address payload = take(step);
    heap_.inspect();
    std::vector<Step> path = from.path;
    path.push_back(step);
    discover(std::move(path));
    if (step.kind != Step::Kind::malloc || payload == 0) return;
    heap_.free(payload);
    now_ = identity();
  }
  void discover(std::vector<Step> path) {
    now_ = identity();
    if (seen_.insert(now_).second)
      queue_.push_back({now_, std::move(path), heap_.model().live().size()});
  }
  Address take(const Step& step) {
    if (step.kind == Step::Kind::malloc) return heap_.malloc(step.size, step.align);
    const auto& live = heap_.model().live();
    const Address payload = std::next(live.begin(), static_cast<long>(step.block))->first;
    if (step.kind == Step::Kind::realloc) return heap_.realloc(payload, step.size, step.align);
    heap_.free(payload);
    return 0;
  }

  [[nodiscard]] Identity identity() const {
    Identity numbers = {heap_.model().rover()};
    for (const auto& [payload, block] : heap_.model().live())
      numbers.insert(numbers.end(), {payload, block.extent});
    numbers.push_back(0);
    Fault fault;
    for (const FreeBlock& block : heap_->free_list(fault)) numbers.push_back(block.address);
    return numbers;
  }

  CheckedHeap heap_;
  Identity now_;  // of the heap
  std::set<Identity> seen_;
  std::deque<State> queue_;
};

class EveryHeap : public EveryPolicy {};
GLASSHEAP_FOR_EVERY(EveryHeap, [](const Options& options) { return !options.order; });

TEST_P(EveryHeap, MatchesTheModel) {
  const Size granules = defers_coalescing(options()) ? 8 : 9;  // free blocks that touch are many
  Explorer(options(granules * granule_size)).explore(scaled(1 << 30, 5000));
}

// Other orders of the list have too many heaps: here are those that the shortest sequences lead to.
class EverySmallHeapOfSequentialFit : public EveryPolicy {};
GLASSHEAP_FOR_VARIANTS(EverySmallHeapOfSequentialFit, sequential_fit_variants());

TEST_P(EverySmallHeapOfSequentialFit, MatchesTheModel) {
  Explorer(options(12 * granule_size)).explore(scaled(20000, 1000));
}

}  // namespace
}  // namespace glassheap
