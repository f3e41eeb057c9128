#include "shared/processes.hpp"

#include <unistd.h>

#include <bitset>

namespace glassheap::shared {
namespace {

// Finds the lowest number that has no name and whose byte is free, and locks its byte. Returns 0 if
// there is none.
Number first_without_name(const Superblock& block, const Presence& presence) noexcept {
  for (Number number = 1; number <= most_processes; ++number) {
    if (block.processes[number - 1].pid == 0 && presence.try_lock(number)) return number;
  }
  return 0;
}

using Numbers = std::bitset<most_processes + 1>;

void add(Numbers& numbers, std::size_t number) noexcept {
  if (number <= most_processes) numbers.set(number);
}

// The numbers that own a live block or a reference. O(region size).
Numbers owning(const Superblock& block, const Number* owners, const BlockMap& map) noexcept {
  Numbers numbers;
  for (const Holder& holder : block.holders) add(numbers, holder.process);
  map.for_each_start(0, map.chunks() - 1, [&](Offset start) {
    if (!map.free_at(start)) add(numbers, owners[start / granule_size]);
  });
  return numbers;
}

void forget_the_gone(Superblock& block, const Numbers& owners, const Presence& presence) noexcept {
  for (Number number = 1; number <= most_processes; ++number) {
    if (!owners.test(number) && !presence.is_locked(number)) block.processes[number - 1] = {};
  }
}

}  // namespace

Number take_number(Superblock& block, const Number* owners, const BlockMap& map,
                   const Presence& presence) noexcept {
  Number number = first_without_name(block, presence);
  if (number == 0) {
    forget_the_gone(block, owning(block, owners, map), presence);
    number = first_without_name(block, presence);
  }
  if (number != 0) block.processes[number - 1] = {static_cast<std::uint32_t>(getpid())};
  return number;
}

}  // namespace glassheap::shared
