// processes.hpp: the table of processes that have attached to a segment.
#pragma once

#include "shared/superblock.hpp"

namespace glassheap::shared {

// The entry of this process.
[[nodiscard]] Process this_process() noexcept;
// Returns true if the process still runs: its pid does, and has the same start time.
[[nodiscard]] bool is_alive(const Process& process) noexcept;

// Counts one attachment more of this process, and returns its number. A new process gets a free
// entry, or that of a dead process that owns no block. Returns 0 if there is neither.
[[nodiscard]] Number register_process(Superblock& block, const Number* owners) noexcept;
// Counts one attachment less.
void unregister_process(Superblock& block, Number number) noexcept;

}  // namespace glassheap::shared
