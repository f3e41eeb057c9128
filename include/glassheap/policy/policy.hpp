// policy.hpp: what a placement policy is.
//
// A policy decides which free block serves a request, and keeps whatever structure it needs to
// decide fast. It does not cut, merge or judge: HeapCore does, and tells the policy what became of
// the free blocks. When it is told, the block map is up to date already, so a policy may ask the
// map.
//
//     seed(block)            forget everything; `block`, the whole region, is the one free block
//     find_free(request)     the slot that the policy gives to the request, in a free block that is
//                            vetted; none if none can serve it
//     vet(block)             whether the node of this free block, and all that links to it, is
//     sound vet_place(at)          whether a block that becomes free here can be linked in
//     insert(block)          `block` has become free
//     erase(block)           `block`, vetted, is free no more
//     replace(old, now)      the free block `old`, vetted, was cut or has grown, and is `now`
//     largest()              the extent of the largest free block, 0 if there is none
//     list(visit)            visit(block) for the free blocks in list order, as far as it is sound
//     inspect(findings)      every rule that the structure breaks
//
// find_free and vet only read. A policy is one header in this folder, and a line in heap.cpp.
#pragma once

#include <concepts>
#include <string_view>

#include "glassheap/check.hpp"

namespace glassheap {

// Where in a free block a new block starts. A start above the block's own leaves a gap in front.
struct Slot {
  Block from;
  Offset start = nowhere;

  [[nodiscard]] constexpr explicit operator bool() const noexcept {
    return static_cast<bool>(from);
  }
};

template <typename P>
concept Policy = requires(P policy, const P& seen, Block block, const Request& request, Offset at,
                          Fault& fault, Findings& findings, void (*visit)(Block)) {
  requires std::constructible_from<P, Blocks&, const BlockMap&>;
  { P::name } -> std::convertible_to<std::string_view>;
  { seen.find_free(request, fault) } noexcept -> std::same_as<Slot>;
  { seen.vet(block, fault) } noexcept -> std::same_as<bool>;
  { seen.vet_place(at, fault) } noexcept -> std::same_as<bool>;
  { seen.largest() } noexcept -> std::same_as<Size>;
  { policy.seed(block) } noexcept;
  { policy.insert(block) } noexcept;
  { policy.erase(block) } noexcept;
  { policy.replace(block, block) } noexcept;
  seen.list(visit);
  seen.inspect(findings);
};

}  // namespace glassheap
