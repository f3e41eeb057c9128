#include "base/own_file.hpp"

#include <unistd.h>

#include <utility>

namespace glassheap {

void OwnFile::close() noexcept {
  const std::lock_guard guard(mutex());
  if (file_ < 0) return;
  delist();
  close_descriptor();
}

// Not that of another file, which has got its number.
void OwnFile::close_descriptor() noexcept {
  const int file = std::exchange(file_, -1);
  if (FileIdentity::of(file) == identity_) ::close(file);
}

void OwnFile::let_go() noexcept {
  close_descriptor();
  lost_by_fork_ = true;
}

}  // namespace glassheap
