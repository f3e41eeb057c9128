// processes.hpp: who has attached to a segment, and whether they still live.
#pragma once

#include "shared/superblock.hpp"

namespace glassheap::shared {

// This process, as the table has it.
[[nodiscard]] Process this_process() noexcept;
[[nodiscard]] bool is_alive(const Process& process) noexcept;

// The number of this process in the table, which it enters if it is not there: in the place of one
// that is dead, and owns nothing, if no other is free. 0 if there is no place for it.
[[nodiscard]] std::uint8_t register_process(Superblock& block, const std::uint8_t* owners) noexcept;
// It attached once less.
void unregister_process(Superblock& block, std::uint8_t number) noexcept;

}  // namespace glassheap::shared
