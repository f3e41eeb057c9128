// locked_file.hpp: a recorder keeps its file locked (flock), so that no other process replaces it.
#pragma once

#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/file_identity.hpp"

namespace glassheap::trace {

// Locks a file that was opened by its name. Returns 0, or errno: EBUSY if another recorder has it
// locked, or has put another file in its place between the opening and the lock.
[[nodiscard]] inline int lock_by_name(int file, const char* path) noexcept {
  if (flock(file, LOCK_EX | LOCK_NB) != 0) return errno == EWOULDBLOCK ? EBUSY : errno;
  struct stat status{};
  if (lstat(path, &status) != 0) return EBUSY;
  return FileIdentity::of(file) == FileIdentity{status.st_dev, status.st_ino} ? 0 : EBUSY;
}

}  // namespace glassheap::trace
