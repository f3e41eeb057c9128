// claim.hpp: which bytes that the caller owns the heaps of this process lie over.
//
// Two heaps over the same bytes would hand out the same addresses. So a heap claims the bytes that
// it borrows, until it is closed, and bytes that are claimed already are refused:
//
//     a heap of its own             refuses every overlap
//     a new shared heap             refuses every overlap
//     attaching to a shared heap    joins the claims that begin at the same byte: these are
//                                   attachments to one segment, which lock each other out
//     a heap in a block of another  may overlap the claim of that heap, and the claims around it
//
// A process inherits the claims by fork, as it does the heaps. O(n) in the number of claims.
#pragma once

#include <memory>
#include <span>

#include "glassheap/fault.hpp"

namespace glassheap {

enum class ClaimKind : std::uint8_t { own_heap, new_shared_heap, attachment };

// Returns a keeper that holds the claim, and `keeper`, until its last copy goes. Returns null, and
// sets `fault` (region_in_use), if a heap of this process has some of the bytes. `outer` is the
// region of the heap that has handed out a block with these bytes; empty if none has. Throws
// std::bad_alloc.
[[nodiscard]] std::shared_ptr<void> claim_bytes(std::span<const std::byte> bytes, ClaimKind kind,
                                                std::shared_ptr<void> keeper, Fault& fault,
                                                std::span<const std::byte> outer = {});

}  // namespace glassheap
