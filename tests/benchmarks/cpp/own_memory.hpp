// own_memory.hpp: the memory of a heap outside its region: the block map, and the policy's index.
//
// It is measured on a heap that was just opened; the tombstones of empty blocks, which are allocated
// later, are not included.
#pragma once

#include "contender.hpp"
#include "report.hpp"

namespace bench {

struct OwnMemoryTable {
  Section section;
  std::vector<Bar> bars;
};

[[nodiscard]] OwnMemoryTable measure_own_memory(const std::vector<Contender>& contenders);

}  // namespace bench
