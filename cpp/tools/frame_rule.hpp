// frame_rule.hpp: from a function on the stack to its caller, by the tables that exceptions use.
//
// The frame of a function ends where the stack pointer was before it was called. The rule of a place
// tells how far that is from a register, and where the frame pointer of the caller was saved:
//
//     lower addresses                                            higher addresses
//     | ... locals | saved frame pointer | return address | frame of the caller ...
//     stack        end + saved_frame     end - 8          end = stack or frame + to_end
//
// The tables are those of the x86-64 ABI: .eh_frame_hdr, sorted by address, and .eh_frame, whose
// call frame instructions are DWARF's. A place whose table is written in another way has no rule.
// Nothing here allocates, locks, or calls the system.
#pragma once

#include <cstdint>

#include "caller.hpp"

namespace glassheap::recorder {

struct FrameRule {
  bool by_frame = false;         // to_end is counted from the frame pointer
  std::int64_t to_end = 0;       // bytes
  std::int64_t saved_frame = 0;  // bytes; 0: the register has it still
};

// Finds the rule of the place to which a call returns, in the .eh_frame_hdr of its object. O(log n) in
// the functions of the object. Returns false if there is none.
[[nodiscard]] bool find_frame_rule(std::uintptr_t site, const void* table,
                                   FrameRule& rule) noexcept;

// The caller of the function in which `callee` is a place with this rule. Its site is 0 if the frame
// does not end near its stack pointer: the object was unloaded, and another one lies in its place.
[[nodiscard]] Caller caller_of(const Caller& callee, const FrameRule& rule) noexcept;

}  // namespace glassheap::recorder
