// own_memory.hpp: what a heap keeps outside of its region: the block map, and a policy's index.
//
// A heap that was just opened is asked; what grows later, the notes on empty blocks, is not in it.
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
