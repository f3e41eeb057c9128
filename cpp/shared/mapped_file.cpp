#include "shared/mapped_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/file_identity.hpp"
#include "base/format.hpp"

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

bool find_mapping(std::uintptr_t address, Mapping& mapping) {
  std::FILE* const maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return false;
  bool found = false;
  while (!found && read_line(maps, mapping))
    found = mapping.begin <= address && address < mapping.end;
  std::fclose(maps);
  return found;
}

// Anonymous memory that is shared looks like a file that was removed.
bool may_have_file(const Mapping& mapping) noexcept {
  return mapping.sharing == 's' && mapping.path.starts_with('/') &&
         !mapping.path.starts_with("/dev/zero") && !mapping.path.starts_with("/memfd:");
}

// Opens the path, if it is the file with this inode still. Returns -1 otherwise.
int open_if_same(const std::string& path, std::uint64_t inode) noexcept {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (file < 0 || FileIdentity::of(file).inode == inode) return file;
  close(file);
  return -1;
}

// The system's own link to the file leads to it without a name too, but not for every user.
int open_file_of(const Mapping& mapping) {
  const std::string link = format("/proc/self/map_files/%zx-%zx", mapping.begin, mapping.end);
  const int file = open_if_same(link, mapping.inode);
  return file >= 0 ? file : open_if_same(mapping.path, mapping.inode);
}

}  // namespace

int open_mapped_file(const void* at, std::uint64_t inode) {
  Mapping mapping;
  const bool found = find_mapping(reinterpret_cast<std::uintptr_t>(at), mapping);
  const bool may_be_file = found && may_have_file(mapping);
  const int file = may_be_file ? open_file_of(mapping) : -1;
  if (file < 0) errno = may_be_file && mapping.inode == inode ? ENOENT : 0;
  return file;
}

}  // namespace glassheap::shared
