// Small-scope exhaustive test: every sequence of a few operations on a region of twelve granules.
// After each sequence the heap must equal the model; or, where the policy leaves the addresses
// open, it must keep every invariant. Nearly every bug of an allocator shows in some tiny heap;
// random runs may miss that heap, this test does not.

#include <gtest/gtest.h>

#include <span>

#include "checked_heaps.hpp"
#include "scale.hpp"

namespace glassheap {
namespace {

constexpr Size region_size = 12 * granule_size;

// One operation. A block is identified by its index among the live blocks, in address order.
struct Step {
  enum class Kind { malloc, free, realloc } kind;
  Size size = 0;
  Size align = 16;
  std::size_t block = 0;
};

std::string describe(std::span<const Step> steps) {
  std::string text;
  for (const Step& step : steps) {
    const std::string size = std::to_string(step.size) + '@' + std::to_string(step.align);
    const std::string block = std::to_string(step.block);
    text += step.kind == Step::Kind::malloc ? " +" + size
            : step.kind == Step::Kind::free ? " -" + block
                                            : ' ' + block + '=' + size;
  }
  return text;
}

// The operations to choose from: requests, by size and alignment, and new sizes for any live block.
struct Choices {
  std::vector<std::pair<Size, Size>> requests;
  std::vector<Size> new_sizes;
};

// Traverses the tree of all sequences. A node is a sequence; each of its children has one more
// operation. At each node the heap is reset, the sequence is run from its start, and the result is
// checked; the results of its shorter prefixes have been checked before.
template <typename Checked>
class SequenceTree {
 public:
  SequenceTree(const Options& options, Choices choices)
      : heap_(options), choices_(std::move(choices)) {}

  void explore(int depth) {
    heap_.reset();
    Checked checked(heap_);
    for (const Step& step : steps_) apply(step, checked);
    const std::size_t live = checked.live();
    const std::string failure = examine(checked);
    ASSERT_EQ(failure, "") << "after" << describe(steps_);
    ++nodes_;
    if (depth == 0) return;
    for (const auto& [size, align] : choices_.requests)
      descend({Step::Kind::malloc, size, align}, depth);
    for (std::size_t block = 0; block < live; ++block) {
      descend({Step::Kind::free, 0, 16, block}, depth);
      for (const Size size : choices_.new_sizes)
        descend({Step::Kind::realloc, size, 16, block}, depth);
    }
  }
  [[nodiscard]] std::size_t nodes() const { return nodes_; }

 private:
  void descend(const Step& step, int depth) {
    if (::testing::Test::HasFatalFailure()) return;
    steps_.push_back(step);
    explore(depth - 1);
    steps_.pop_back();
  }

  static void apply(const Step& step, Checked& checked) {
    if (step.kind == Step::Kind::malloc) {
      checked.malloc(step.size, step.align);
    } else if (const Address payload = checked.payload(step.block); step.kind == Step::Kind::free) {
      checked.free(payload);
    } else {
      checked.realloc(payload, step.size, step.align);
    }
  }

  static std::string examine(ModelChecked& checked) { return checked.failure(); }
  static std::string examine(InvariantChecked& checked) {
    const std::string failure = checked.failure();
    return failure.empty() ? checked.final_failure() : failure;
  }

  HeapFixture heap_;
  Choices choices_;
  std::vector<Step> steps_;
  std::size_t nodes_ = 0;
};

// These make gaps in front of blocks and behind them, of one granule and of more.
Choices small_choices() { return {{{0, 16}, {40, 16}, {20, 32}}, {60}}; }

class EverySequence : public EveryPolicy {
 protected:
  template <typename Checked>
  static void explore(const Choices& choices, int depth) {
    SequenceTree<Checked> tree(options(region_size), choices);
    tree.explore(depth);
    RecordProperty("sequences", std::to_string(tree.nodes()));
  }
};

std::vector<Variant> only(std::initializer_list<std::string_view> policies) {
  return variants([&](const Options& options) {
    return !options.order && std::ranges::find(policies, options.policy) != policies.end();
  });
}

class SequencesOnAClassicFit : public EverySequence {};
INSTANTIATE_TEST_SUITE_P(Policies, SequencesOnAClassicFit,
                         ::testing::ValuesIn(only({"first_fit", "next_fit", "best_fit", "worst_fit",
                                                   "sequential_fit"})),
                         by_name);

class SequencesOnSequentialFit : public EverySequence {};
INSTANTIATE_TEST_SUITE_P(SequentialFit, SequencesOnSequentialFit,
                         ::testing::ValuesIn(sequential_fit_variants()), by_name);

class SequencesOnAnotherPolicy : public EverySequence {};
INSTANTIATE_TEST_SUITE_P(Policies, SequencesOnAnotherPolicy,
                         ::testing::ValuesIn(only({"segregated_fit", "tlsf", "buddy"})), by_name);

TEST_P(SequencesOnAClassicFit, MatchTheModel) {
  explore<ModelChecked>(small_choices(), scaled(7, 5));
}
TEST_P(SequencesOnSequentialFit, MatchTheModel) {
  explore<ModelChecked>(small_choices(), scaled(6, 4));
}
TEST_P(SequencesOnAnotherPolicy, KeepEveryInvariant) {
  explore<InvariantChecked>(small_choices(), scaled(7, 5));
}

// More sizes, with fewer kinds of operation.
TEST_P(SequencesOnAClassicFit, OfMallocAndFreeMatchTheModel) {
  explore<ModelChecked>({{{0, 16}, {16, 16}, {32, 16}, {48, 16}, {112, 16}}, {}}, scaled(7, 5));
}
TEST_P(SequencesOnAClassicFit, OfReallocMatchTheModel) {
  explore<ModelChecked>({{{0, 16}, {32, 16}, {80, 16}}, {0, 32, 64}}, scaled(6, 4));
}

}  // namespace
}  // namespace glassheap
