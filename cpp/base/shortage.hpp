// shortage.hpp: the two halves of the sentence of an out_of_memory: between them the heap says what it
// knows of its blocks.
#pragma once

#include "glassheap/fault.hpp"

namespace glassheap {

// "exhausted: no free block can hold ...", without a full stop: the cause and its numbers.
[[nodiscard]] std::string shortage_facts(const Fault& fault);
// What the caller can do.
[[nodiscard]] std::string shortage_remedy(const Fault& fault);

}  // namespace glassheap
