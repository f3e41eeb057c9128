#include "shared/processes.hpp"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill() is POSIX's
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace glassheap::shared {
namespace {

// The start time of a process, in clock ticks since boot: field 22 of /proc/PID/stat, counted from
// behind the name, which may hold any character. 0 if it is not known.
std::uint64_t started(std::uint32_t pid) noexcept {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%u/stat", pid);
  std::FILE* const file = std::fopen(path.data(), "re");
  if (file == nullptr) return 0;
  std::array<char, 1024> line{};
  const std::size_t read = std::fread(line.data(), 1, line.size() - 1, file);
  std::fclose(file);
  const char* field = read == 0 ? nullptr : std::strrchr(line.data(), ')');
  for (int i = 2; field != nullptr && i < 22; ++i) field = std::strchr(field + 1, ' ');
  return field == nullptr ? 0 : std::strtoull(field, nullptr, 10);
}

bool owns_any(const Superblock& block, const Number* owners, std::size_t number) noexcept {
  const Size granules = block.fixed.region_size / granule_size;
  const auto is_its = [number](const Holder& holder) { return holder.process == number; };
  if (std::ranges::any_of(block.holders, is_its)) return true;
  return std::find(owners, owners + granules, static_cast<Number>(number)) != owners + granules;
}

}  // namespace

Process this_process() noexcept {
  const auto pid = static_cast<std::uint32_t>(getpid());
  return {pid, 1, started(pid)};
}

bool is_alive(const Process& process) noexcept {
  if (process.pid == 0) return false;
  if (kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) return false;
  const std::uint64_t now = started(process.pid);
  return now == 0 || process.started == 0 || now == process.started;
}

Number register_process(Superblock& block, const Number* owners) noexcept {
  const Process self = this_process();
  std::size_t free = 0;
  for (std::size_t number = 1; number <= most_processes; ++number) {
    Process& process = block.processes[number - 1];
    if (process.pid == self.pid && process.started == self.started) {
      ++process.attached;
      return static_cast<Number>(number);
    }
    if (free == 0 && process.pid == 0) free = number;
  }
  for (std::size_t number = 1; free == 0 && number <= most_processes; ++number) {
    if (!is_alive(block.processes[number - 1]) && !owns_any(block, owners, number)) free = number;
  }
  if (free != 0) block.processes[free - 1] = self;
  return static_cast<Number>(free);
}

// A process that owns blocks keeps its number, so that owners() can name it.
void unregister_process(Superblock& block, Number number) noexcept {
  if (number != 0 && block.processes[number - 1].attached > 0)
    --block.processes[number - 1].attached;
}

}  // namespace glassheap::shared
