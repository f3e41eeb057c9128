// Small-scope exhaustion: every sequence of a few operations on a region of twelve granules. After
// each the heap must be the model's; or, where the policy leaves the addresses open, owe nothing
// that every policy owes. What is wrong with an allocator is nearly always wrong in some tiny heap
// already; random runs pass such a heap by, this test does not.

#include <gtest/gtest.h>

#include <span>

#include "effort.hpp"
#include "followed.hpp"

namespace glassheap {
namespace {

constexpr Size region_size = 12 * granule_size;

// One operation. Blocks are named by their place among the live ones, in address order.
struct Step {
  enum class Kind { malloc, free, realloc } kind;
  Size size = 0;
  Size align = 16;
  std::size_t block = 0;
};

std::string in_words(std::span<const Step> steps) {
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

// What there is to be done in any heap: requests, by size and alignment, and sizes that any live
// block may be given.
struct Choices {
  std::vector<std::pair<Size, Size>> requests;
  std::vector<Size> resizings;
};

// Goes through the tree of all sequences. A node is one sequence; its children are that sequence
// and one more operation. At each node the sequence is played from the start on the one heap,
// reset, and looked at; the operations before its last have been looked at before.
template <typename Follower>
class Tree {
 public:
  Tree(const Options& options, Choices choices) : rig_(options), choices_(std::move(choices)) {}

  void explore(int depth) {
    rig_.reset();
    Follower follower(rig_);
    for (const Step& step : steps_) take(step, follower);
    const std::size_t live = follower.live();
    const std::string failure = examine(follower);
    ASSERT_EQ(failure, "") << "after" << in_words(steps_);
    ++nodes_;
    if (depth == 0) return;
    for (const auto& [size, align] : choices_.requests)
      descend({Step::Kind::malloc, size, align}, depth);
    for (std::size_t block = 0; block < live; ++block) {
      descend({Step::Kind::free, 0, 16, block}, depth);
      for (const Size size : choices_.resizings)
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

  static void take(const Step& step, Follower& follower) {
    if (step.kind == Step::Kind::malloc) {
      follower.malloc(step.size, step.align);
    } else if (const Address payload = follower.payload(step.block);
               step.kind == Step::Kind::free) {
      follower.free(payload);
    } else {
      follower.realloc(payload, step.size, step.align);
    }
  }

  static std::string examine(Followed& follower) { return follower.failure(); }
  static std::string examine(Witnessed& follower) {
    const std::string failure = follower.failure();
    return failure.empty() ? follower.failure_at_the_end() : failure;
  }

  Rig rig_;
  Choices choices_;
  std::vector<Step> steps_;
  std::size_t nodes_ = 0;
};

// Gaps in front, behind, of one granule and of more.
Choices few() { return {{{0, 16}, {40, 16}, {20, 32}}, {60}}; }

class EverySequence : public EveryPolicy {
 protected:
  template <typename Follower>
  static void explore(const Choices& choices, int depth) {
    Tree<Follower> tree(options(region_size), choices);
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
INSTANTIATE_TEST_SUITE_P(Sequences, SequencesOnSequentialFit, ::testing::ValuesIn(all_sequences()),
                         by_name);

class SequencesOnAnotherPolicy : public EverySequence {};
INSTANTIATE_TEST_SUITE_P(Policies, SequencesOnAnotherPolicy,
                         ::testing::ValuesIn(only({"segregated_fit", "tlsf", "buddy"})), by_name);

TEST_P(SequencesOnAClassicFit, AreAsTheModelHasThem) { explore<Followed>(few(), effort(7, 5)); }
TEST_P(SequencesOnSequentialFit, AreAsTheModelHasThem) { explore<Followed>(few(), effort(6, 4)); }
TEST_P(SequencesOnAnotherPolicy, KeepWhatEveryPolicyOwes) {
  explore<Witnessed>(few(), effort(7, 5));
}

// More sizes at once, and no other operations.
TEST_P(SequencesOnAClassicFit, OfMallocAndFreeAreAsTheModelHasThem) {
  explore<Followed>({{{0, 16}, {16, 16}, {32, 16}, {48, 16}, {112, 16}}, {}}, effort(7, 5));
}
TEST_P(SequencesOnAClassicFit, OfReallocAreAsTheModelHasThem) {
  explore<Followed>({{{0, 16}, {32, 16}, {80, 16}}, {0, 32, 64}}, effort(6, 4));
}

}  // namespace
}  // namespace glassheap
