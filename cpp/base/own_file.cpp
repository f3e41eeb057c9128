#include "base/own_file.hpp"

#include <unistd.h>

#include <utility>

#include "base/lock.hpp"

namespace glassheap {

std::mutex& OwnFile::mutex() noexcept {
  static constinit std::mutex instance;  // its destructor does nothing: heaps may outlive statics
  return instance;
}

// Every open one of the process.
OwnFile*& OwnFile::head() noexcept {
  static OwnFile* first = nullptr;
  return first;
}

void OwnFile::expect_forks() noexcept { static_cast<void>(fork_count()); }

void OwnFile::enlist() noexcept {
  lost_by_fork_ = false;
  prev_ = nullptr;
  next_ = head();
  if (next_ != nullptr) next_->prev_ = this;
  head() = this;
}

void OwnFile::delist() noexcept {
  (prev_ != nullptr ? prev_->next_ : head()) = next_;
  if (next_ != nullptr) next_->prev_ = prev_;
}

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

void OwnFile::close_all_in_child() noexcept {
  for (OwnFile* file = std::exchange(head(), nullptr); file != nullptr; file = file->next_) {
    file->close_descriptor();
    file->lost_by_fork_ = true;
  }
}

}  // namespace glassheap
