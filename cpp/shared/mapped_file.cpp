#include "shared/mapped_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>

namespace glassheap::shared {
namespace {

// A line of /proc/self/maps.
struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  char sharing = 'p';
  std::uint64_t inode = 0;
  std::array<char, 4096> path{};
};

// Returns false behind the last line.
bool read_line(std::FILE* maps, Mapping& mapping) noexcept {
  std::array<char, 4300> line{};
  if (std::fgets(line.data(), line.size(), maps) == nullptr) return false;
  mapping = {};
  std::sscanf(line.data(), "%" SCNxPTR "-%" SCNxPTR " %*c%*c%*c%c %*s %*s %" SCNu64 " %4095[^\n]",
              &mapping.begin, &mapping.end, &mapping.sharing, &mapping.inode, mapping.path.data());
  return true;
}

// Anonymous memory that is shared looks like a file that was removed.
bool has_file(const Mapping& mapping) noexcept {
  struct stat status{};
  return mapping.sharing == 's' && mapping.path[0] == '/' &&
         stat(mapping.path.data(), &status) == 0 && status.st_ino == mapping.inode;
}

}  // namespace

int open_mapped_file(const void* at) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(at);
  std::FILE* const maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return -1;
  Mapping mapping;
  bool found = false;
  while (!found && read_line(maps, mapping))
    found = mapping.begin <= address && address < mapping.end;
  std::fclose(maps);
  const bool is_file = found && has_file(mapping);
  errno = 0;
  return is_file ? open(mapping.path.data(), O_RDWR | O_CLOEXEC) : -1;
}

}  // namespace glassheap::shared
