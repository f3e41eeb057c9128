// processes.hpp: the table of processes that have attached to a segment, and their numbers.
//
// A number is taken while its byte is locked (presence.hpp). The table has a name for each number,
// a pid, which is only shown. A number keeps its name after its process is gone, because it may own
// blocks or references. When every number has a name, the names of processes that are gone and own
// nothing are cleared.
#pragma once

#include "block/block_map.hpp"
#include "shared/presence.hpp"

namespace glassheap::shared {

// Takes a number for one attachment, locks its byte, and enters this process in the table. Returns
// 0 if every number lives or owns something. Called by one attachment at a time, in the lock.
[[nodiscard]] Number take_number(Superblock& block, const Number* owners, const BlockMap& map,
                                 const Presence& presence) noexcept;

}  // namespace glassheap::shared
