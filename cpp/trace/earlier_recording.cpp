#include "trace/earlier_recording.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "trace/layout.hpp"
#include "trace/locked_file.hpp"

namespace glassheap::trace {
namespace {

constexpr std::size_t longest_name = 255;  // bytes, on most file systems

bool exists(const std::string& path) noexcept {
  struct stat status{};
  return lstat(path.c_str(), &status) == 0;
}

bool is_empty(const std::string& path) noexcept {
  struct stat status{};
  return lstat(path.c_str(), &status) == 0 && status.st_size == 0;
}

// Returns 0 if the file is a recording, or empty, or the reason why it must stay.
int check_contents(int file) noexcept {
  std::array<unsigned char, magic.size()> begin{};
  const ssize_t length = pread(file, begin.data(), begin.size(), 0);
  if (length < 0) return errno;
  return length == 0 || begin == magic ? 0 : EEXIST;
}

// Opens a file that may be replaced, and locks it. Returns less than 0, and sets errno, if it must
// stay.
int open_old(const char* path) noexcept {
  struct stat status{};
  if (lstat(path, &status) != 0) return -1;
  errno = EEXIST;
  if (!S_ISREG(status.st_mode)) return -1;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  int reason = lock_by_name(file, path);  // first: a recorder may not have written its header yet
  if (reason == 0) reason = check_contents(file);
  if (reason == 0) return file;
  close(file);
  errno = reason;
  return -1;
}

}  // namespace

// A name that is too long would be refused, so the end of the file's own name makes room.
std::string EarlierRecording::name_aside(unsigned number) const {
  std::string end = ".earlier";
  if (number > 1) end += "." + std::to_string(number);
  const std::size_t name_at = path_.rfind('/') + 1;  // 0 without a folder
  return path_.substr(0, name_at) + path_.substr(name_at, longest_name - end.size()) + end;
}

int EarlierRecording::set_aside() {
  unsigned number = 1;
  std::string aside = name_aside(number);
  while (exists(aside)) aside = name_aside(++number);
  const int old = open_old(path_.c_str());
  if (old < 0) return errno == ENOENT ? 0 : errno;
  const int error = rename(path_.c_str(), aside.c_str()) == 0 ? 0 : errno;
  close(old);
  if (error == 0) aside_ = std::move(aside);
  return error;
}

void EarlierRecording::remove() noexcept {
  if (!aside_.empty()) unlink(aside_.c_str());
  aside_.clear();
}

// A link does not replace a file. Not every file system has links.
void EarlierRecording::put_back() noexcept {
  if (aside_.empty()) return;
  const bool has_name = link(aside_.c_str(), path_.c_str()) == 0;
  if (!has_name && !exists(path_))
    rename(aside_.c_str(), path_.c_str());
  else if (has_name || is_empty(aside_))
    unlink(aside_.c_str());
  aside_.clear();
}

}  // namespace glassheap::trace
