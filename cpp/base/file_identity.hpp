// file_identity.hpp: which file a descriptor is open on. A program may have closed a descriptor that
// it does not know, as daemons do, and another file may have its number by now.
#pragma once

#include <sys/stat.h>

namespace glassheap {

struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;  // 0: no file

  [[nodiscard]] static FileIdentity of(int descriptor) noexcept {
    struct stat status{};
    if (fstat(descriptor, &status) != 0) return {};
    return {status.st_dev, status.st_ino};
  }
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

}  // namespace glassheap
