// every_policy.hpp: the fixture of a contract that holds for every kind of heap.
#pragma once

#include <gtest/gtest.h>

#include "checked_heap.hpp"

namespace glassheap {

class EveryPolicy : public ::testing::TestWithParam<Variant> {
 protected:
  [[nodiscard]] static Options options(Size size = 4096) {
    Options options = GetParam().options;
    options.size = size;
    return options;
  }
  [[nodiscard]] static Size front() { return front_of(options()); }
  [[nodiscard]] static Size extent(Size size) { return extent_of(options(), size); }
};

[[nodiscard]] inline std::string by_name(const ::testing::TestParamInfo<Variant>& variant) {
  return variant.param.name;
}

// Instantiates a suite that derives from EveryPolicy with these variants; or with those of
// variants() whose options satisfy every one of these predicates.
#define GLASSHEAP_FOR_VARIANTS(Suite, variants) \
  INSTANTIATE_TEST_SUITE_P(Policies, Suite, ::testing::ValuesIn(variants), by_name)
#define GLASSHEAP_FOR_EVERY(Suite, ...) GLASSHEAP_FOR_VARIANTS(Suite, variants(__VA_ARGS__))

}  // namespace glassheap
