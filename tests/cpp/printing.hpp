// printing.hpp: comparison and printing of the heap's types for GoogleTest.
#pragma once

#include <ostream>

#include "glassheap/heap.hpp"

namespace glassheap {

// Prints the number too: several kinds share the name of one Python exception.
inline void PrintTo(FaultKind kind, std::ostream* out) {
  *out << static_cast<int>(kind) << " (" << name_of(kind) << ')';
}

inline void PrintTo(Rule rule, std::ostream* out) {
  *out << static_cast<int>(rule) << " (" << name_of(rule) << ')';
}

inline void PrintTo(const Block& block, std::ostream* out) {
  *out << block.extent << " bytes from " << block.start;
}

inline bool operator==(const FreeBlock& a, const FreeBlock& b) {
  return a.address == b.address && a.size == b.size;
}

inline void PrintTo(const FreeBlock& block, std::ostream* out) {
  *out << "Free(" << block.size << ") at " << block.address;
}

inline bool operator==(const BlockInfo& a, const BlockInfo& b) {
  return a.start == b.start && a.address == b.address && a.size == b.size && a.extent == b.extent &&
         a.live == b.live && a.serial == b.serial;
}

inline void PrintTo(const BlockInfo& block, std::ostream* out) {
  *out << (block.live ? "live " : "free ") << block.size << " of " << block.extent << " bytes from "
       << block.start;
}

}  // namespace glassheap
