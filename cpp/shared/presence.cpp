#include "shared/presence.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>

#include "shared/mapped_file.hpp"

namespace glassheap::shared {
namespace {

struct flock bytes_of(Number first, Number count, short type) noexcept {
  struct flock bytes{};
  bytes.l_type = type;
  bytes.l_whence = SEEK_SET;
  bytes.l_start = (off_t{1} << 62) + first;
  bytes.l_len = count;
  return bytes;
}

// Returns 0, or errno.
int ask(int file, int command, struct flock& bytes) noexcept {
  int result = 0;
  do {
    result = fcntl(file, command, &bytes);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

// A name that no heap has by chance, and that the list of heaps can tell from theirs.
std::string stand_in_name(const Key& identity) {
  char name[64];
  std::snprintf(name, sizeof name, "/glassheap-%016llx%016llx.lock",
                static_cast<unsigned long long>(identity[0]),
                static_cast<unsigned long long>(identity[1]));
  return name;
}

int open_stand_in(const std::string& name, int flags) noexcept {
  constexpr mode_t owner_only = 0600;
  return shm_open(name.c_str(), flags | O_RDWR | O_CLOEXEC, owner_only);
}

bool is_stand_in(std::string_view name) noexcept {
  return name.size() == stand_in_name({}).size() - 1 && name.starts_with("glassheap-") &&
         name.ends_with(".lock");
}

}  // namespace

// Its processes were killed, and so have left without leave().
void Presence::remove_deserted() {
  std::error_code error;  // what cannot be listed stays
  for (std::filesystem::directory_iterator entry("/dev/shm", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!is_stand_in(name)) continue;
    Presence deserted;
    deserted.stand_in_ = "/" + name;
    deserted.file_.open([&deserted] { return open_stand_in(deserted.stand_in_, 0); });
  }
}

int Presence::open_file_of(const Segment& segment) {
  const FixedFields& fixed = segment.fixed();
  stand_in_.clear();
  if (fixed.in_file != 0) {
    const int file = segment.is_memory()
                         ? open_mapped_file(segment.data(), superblock_of(segment).file)
                         : segment.open_again();
    if (file >= 0 || errno != 0) return file;  // otherwise this is a copy in memory
  }
  stand_in_ = stand_in_name(fixed.identity);
  return open_stand_in(stand_in_, O_CREAT);
}

bool Presence::open(const Segment& segment, Fault& fault) {
  int error = file_.open([&] { return open_file_of(segment); });
  if (error == 0) {
    struct flock bytes = bytes_of(1, most_processes, F_WRLCK);
    error = ask(file_.get(), F_OFD_GETLK, bytes);  // some file systems have no locks
  }
  if (error == 0) return true;
  file_.close();
  fault = {.kind = FaultKind::system_error, .system_error = error};
  return false;
}

void Presence::observe(const std::string& path) {
  observes_ = true;
  if (path.empty()) return;
  static_cast<void>(
      file_.open([&path] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC); }));
}

void Presence::leave() noexcept {
  const bool may_be_last = file_.get() >= 0 && !stand_in_.empty() && try_lock(attaching);
  if (may_be_last && !has_company() && !is_orphaned()) shm_unlink(stand_in_.c_str());
  file_.close();
}

bool Presence::try_lock(Number number) const noexcept {
  struct flock bytes = bytes_of(number, 1, F_WRLCK);
  return observes_ || ask(file_.get(), F_OFD_SETLK, bytes) == 0;
}

void Presence::unlock(Number number) const noexcept {
  struct flock bytes = bytes_of(number, 1, F_UNLCK);
  if (!observes_) ask(file_.get(), F_OFD_SETLK, bytes);
}

// A file that cannot be asked has nobody.
bool Presence::is_locked(Number number) const noexcept {
  struct flock bytes = bytes_of(number, 1, F_WRLCK);
  return ask(file_.get(), F_OFD_GETLK, bytes) == 0 && bytes.l_type != F_UNLCK;
}

// If the file cannot be asked, the answer is yes: an attachment that is alone makes the lock anew.
bool Presence::has_company() const noexcept {
  struct flock bytes = bytes_of(1, most_processes, F_WRLCK);
  return !observes_ && (ask(file_.get(), F_OFD_GETLK, bytes) != 0 || bytes.l_type != F_UNLCK);
}

bool Presence::is_orphaned() const noexcept {
  struct stat status{};
  return !stand_in_.empty() && (fstat(file_.get(), &status) != 0 || status.st_nlink == 0);
}

}  // namespace glassheap::shared
