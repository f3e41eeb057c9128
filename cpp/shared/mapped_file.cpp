#include "shared/mapped_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace glassheap::shared {
namespace {

// A line of /proc/self/maps.
struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  char sharing = 'p';
  std::uint64_t inode = 0;
  std::string path;
};

// "BEGIN-END rw-s OFFSET DEVICE INODE   PATH", in hexadecimal but for the inode. Returns false behind
// the last line.
bool read_line(std::FILE* maps, Mapping& mapping) {
  std::array<char, 4300> line{};
  if (std::fgets(line.data(), line.size(), maps) == nullptr) return false;
  char* at = line.data();
  mapping.begin = std::strtoull(at, &at, 16);
  mapping.end = std::strtoull(at + 1, &at, 16);
  char* const sharing = strtok_r(nullptr, " ", &at);
  for (int skipped = 0; skipped < 2; ++skipped) strtok_r(nullptr, " ", &at);
  const char* const inode = strtok_r(nullptr, " ", &at);
  const char* const path = strtok_r(nullptr, "\n", &at);
  mapping.sharing = sharing == nullptr ? 'p' : sharing[3];
  mapping.inode = inode == nullptr ? 0 : std::strtoull(inode, nullptr, 10);
  mapping.path = path == nullptr ? "" : path + std::strspn(path, " ");
  return true;
}

// Anonymous memory that is shared looks like a file that was removed.
bool has_file(const Mapping& mapping) noexcept {
  struct stat status{};
  return mapping.sharing == 's' && mapping.path.starts_with('/') &&
         stat(mapping.path.c_str(), &status) == 0 && status.st_ino == mapping.inode;
}

}  // namespace

int open_mapped_file(const void* at) {
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
  return is_file ? open(mapping.path.c_str(), O_RDWR | O_CLOEXEC) : -1;
}

}  // namespace glassheap::shared
