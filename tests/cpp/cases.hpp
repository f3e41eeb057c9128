// cases.hpp: placement, case by case: a heap as drawn, some steps, and the heap as it is drawn
// then.
//
//     +40       malloc(40)                       +40@64    malloc(40, align=64)
//     -1        free the block at index 1        2=100     realloc the block at index 2 to 100
//     bytes
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

inline void take_step(Rig& rig, const std::string& step) {
  const auto number = [&step](std::size_t at) { return std::stoul(step.substr(at)); };
  const std::size_t at = step.find('@');
  const std::size_t equals = step.find('=');
  if (step[0] == '+') {
    rig.malloc(number(1), at == std::string::npos ? 16 : number(at + 1));
  } else if (step[0] == '-') {
    rig.free(payload_of_block(rig, number(1)));
  } else {
    rig.realloc(payload_of_block(rig, number(0)), number(equals + 1));
  }
}

inline void take_steps(Rig& rig, const char* steps) {
  std::istringstream all(steps);
  for (std::string step; all >> step;) take_step(rig, step);
}

// A fresh heap with these options, drawn and taken through the steps, is drawn as it is to be.
inline void expect_outcome(const Options& options, const Case& c) {
  Rig rig(options);
  draw(rig, c.before);
  ASSERT_EQ(drawing(rig), c.before);
  take_steps(rig, c.steps);
  EXPECT_EQ(drawing(rig), c.after);
  EXPECT_TRUE(rig.check().empty());
}

// Cases of one policy: a suite derives from this and says which.
class PlacementCases : public ::testing::TestWithParam<Case> {
 protected:
  static Options of(std::string_view policy, Size size = 1024) {
    Options options = variants_of::policy(policy).options;
    options.size = size;
    return options;
  }
};

}  // namespace glassheap
