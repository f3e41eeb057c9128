// Small-scope exhaustion: every sequence of a few operations on a region of twelve granules, and
// after each the heap must be the model's. What is wrong with an allocator is nearly always wrong
// in some tiny heap already; random runs pass such a heap by, this test does not.

#include <gtest/gtest.h>

#include <array>

#include "effort.hpp"
#include "model.hpp"
#include "rig.hpp"

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

std::string in_words(const std::vector<Step>& steps) {
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

// Goes through the tree of all sequences. A node is one sequence; its children are that sequence
// and one more operation. At each node the sequence is played from the start on the one heap,
// reset.
class Tree {
 public:
  Tree(std::vector<Step> allocations, std::vector<Size> resizings)
      : allocations_(std::move(allocations)), resizings_(std::move(resizings)) {}

  void explore(int depth) {
    const Model model = play();
    ASSERT_EQ(difference(*rig_, model), "") << "after" << in_words(steps_);
    ++nodes_;
    if (depth == 0) return;
    for (const Step& step : choices(model)) {
      steps_.push_back(step);
      explore(depth - 1);
      if (::testing::Test::HasFatalFailure()) return;
      steps_.pop_back();
    }
  }
  [[nodiscard]] std::size_t nodes() const { return nodes_; }

 private:
  [[nodiscard]] std::vector<Step> choices(const Model& model) const {
    std::vector<Step> all = allocations_;
    for (std::size_t block = 0; block < model.live().size(); ++block) {
      all.push_back({Step::Kind::free, 0, 16, block});
      for (const Size size : resizings_) all.push_back({Step::Kind::realloc, size, 16, block});
    }
    return all;
  }

  Model play() {
    rig_.reset();
    Model model(region_size, rig_->address());
    for (const Step& step : steps_) take(step, model);
    return model;
  }

  void take(const Step& step, Model& model) {
    Fault fault;
    if (step.kind == Step::Kind::malloc) {
      const Address got = rig_->malloc(step.size, step.align, fault);
      expect_same(got, model.malloc(step.size, step.align));
      return;
    }
    const Offset payload = model.live()[step.block];
    if (step.kind == Step::Kind::free) {
      EXPECT_TRUE(rig_->free(rig_->base() + payload, fault)) << sentence(fault);
      model.free(payload);
    } else {
      const Address got = rig_->realloc(rig_->base() + payload, step.size, 16, fault);
      expect_same(got, model.realloc(payload, step.size));
    }
  }

  void expect_same(Address got, std::optional<Offset> expected) {
    ASSERT_EQ(got, expected ? rig_->base() + *expected : 0) << "in" << in_words(steps_);
  }

  Rig rig_{sized(region_size)};
  std::vector<Step> allocations_;
  std::vector<Size> resizings_;
  std::vector<Step> steps_;
  std::size_t nodes_ = 0;
};

std::vector<Step> mallocs(std::initializer_list<Size> sizes) {
  std::vector<Step> steps;
  for (const Size size : sizes) steps.push_back({Step::Kind::malloc, size});
  return steps;
}

TEST(EverySequence, OfMallocAndFreeIsAsTheModelHasIt) {
  Tree tree(mallocs({0, 16, 32, 48, 112}), {});
  tree.explore(effort(8, 6));
  RecordProperty("sequences", std::to_string(tree.nodes()));
}

TEST(EverySequence, OfMallocFreeAndReallocIsAsTheModelHasIt) {
  Tree tree(mallocs({0, 32, 80}), {0, 32, 64});
  tree.explore(effort(7, 5));
  RecordProperty("sequences", std::to_string(tree.nodes()));
}

// Gaps in front, behind, of one granule and of more.
TEST(EverySequence, OfAlignedMallocAndFreeIsAsTheModelHasIt) {
  std::vector<Step> steps = mallocs({0, 40});
  for (const Size size : {0U, 20U}) steps.push_back({Step::Kind::malloc, size, 32});
  Tree tree(steps, {});
  tree.explore(effort(8, 6));
  RecordProperty("sequences", std::to_string(tree.nodes()));
}

}  // namespace
}  // namespace glassheap
