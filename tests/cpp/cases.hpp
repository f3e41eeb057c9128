// cases.hpp: placement, case by case: a heap as a drawing, some steps, and the drawing afterwards.
//
//     +40       malloc(40)                     +40@64    malloc(40, align=64)
//     -1        free the block at index 1      2=100     realloc the block at index 2 to 100 bytes
//
// Steps are separated by spaces; blocks are counted from the left, free ones included. The region
// has 1024 bytes, unless a suite says otherwise, and lies on a multiple of 1024; so with headers
// the first block's payload is at 16 modulo every larger alignment.
#pragma once

#include <sstream>

#include "drawing.hpp"

namespace glassheap {

struct Case {
  const char* before;
  const char* steps;
  const char* after;
};

inline void PrintTo(const Case& c, std::ostream* out) {
  *out << c.before << "  " << c.steps << "  " << c.after;
}

inline void take_step(HeapFixture& heap, const std::string& step) {
  const auto number = [&step](std::size_t at) { return std::stoul(step.substr(at)); };
  const std::size_t at = step.find('@');
  const std::size_t equals = step.find('=');
  if (step[0] == '+') {
    heap.malloc(number(1), at == std::string::npos ? 16 : number(at + 1));
  } else if (step[0] == '-') {
    heap.free(payload_of_block(heap, number(1)));
  } else {
    heap.realloc(payload_of_block(heap, number(0)), number(equals + 1));
  }
}

inline void take_steps(HeapFixture& heap, const char* steps) {
  std::istringstream all(steps);
  for (std::string step; all >> step;) take_step(heap, step);
}

// Arranges a fresh heap as drawn before, takes the steps, and expects the drawing after.
inline void expect_outcome(const Options& options, const Case& c) {
  HeapFixture heap(options);
  arrange(heap, c.before);
  ASSERT_EQ(drawing(heap), c.before);
  take_steps(heap, c.steps);
  EXPECT_EQ(drawing(heap), c.after);
  EXPECT_TRUE(heap.check().empty());
}

// The fixture of the cases of one policy: a suite derives from it, and runs them with that policy.
class PlacementCases : public ::testing::TestWithParam<Case> {
 protected:
  static Options of(std::string_view policy, Size size = 1024) {
    Options options = variants_of::policy(policy).options;
    options.size = size;
    return options;
  }
};

}  // namespace glassheap
