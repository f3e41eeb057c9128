#include "shared/segment_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/format.hpp"
#include "block/block.hpp"

namespace glassheap::shared {
namespace {

constexpr int how = O_RDWR | O_CLOEXEC | O_NONBLOCK;  // a FIFO has no writer to wait for
constexpr mode_t owner_only = 0600;
constexpr unsigned no_replace = 1;  // RENAME_NOREPLACE, which musl does not name

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string link_of(int descriptor) { return format("/proc/self/fd/%d", descriptor); }

// Returns errno, or 0.
int reserve_piece(int file, Size at, Size bytes) noexcept {
  constexpr int most_tries = 1000;
  for (int tries = 0; tries < most_tries; ++tries) {
    if (fallocate(file, 0, static_cast<off_t>(at), static_cast<off_t>(bytes)) == 0) return 0;
    if (errno != EINTR) break;
  }
  return errno;
}

// Returns errno, or 0; EOPNOTSUPP if the file system cannot reserve. All bytes at once first: only so
// is a lack of room found before memory is used up. A signal undoes the call that it interrupts, and
// more of them may come: then in short pieces.
int reserve_all(int file, Size bytes) noexcept {
  constexpr Size piece = Size{16} << 20;
  int error = fallocate(file, 0, 0, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  if (error != EINTR) return error;
  error = 0;
  for (Size at = 0; at < bytes && error == 0; at += piece)
    error = reserve_piece(file, at, std::min(piece, bytes - at));
  return error;
}

// Only for a new file: where the file system cannot reserve, the C library writes a byte to each
// page, over what another process stores there.
int reserve_new(int file, Size bytes) noexcept {
  const int error = reserve_all(file, bytes);
  return error == EOPNOTSUPP ? posix_fallocate(file, 0, static_cast<off_t>(bytes)) : error;
}

// Returns true if no page of the file is missing. In memory the system counts exactly, and reserving
// would visit each page. Elsewhere the count includes the file system's own blocks.
bool has_all_pages(int file) noexcept {
  struct stat status{};
  struct statfs system{};
  if (fstat(file, &status) != 0 || fstatfs(file, &system) != 0) return false;
  constexpr blkcnt_t unit = 512;
  return system.f_type == TMPFS_MAGIC && status.st_blocks >= (status.st_size + unit - 1) / unit;
}

bool refuse_existing(const struct stat& status, Fault& fault) noexcept {
  refuse_by_system(EEXIST, fault);
  fault.found = status.st_mode & S_IFMT;
  return false;
}

bool refuse_type(const struct stat& status, Fault& fault) noexcept {
  fault = {.kind = FaultKind::bad_image,
           .field = "type",
           .expected = S_IFREG,
           .found = status.st_mode & S_IFMT};
  return false;
}

}  // namespace

bool refuse_by_system(int error, Fault& fault) noexcept {
  fault = {.kind = FaultKind::system_error, .system_error = error};
  return false;
}

std::string path_of(const SegmentLocation& location) {
  return location.path.empty() ? "/dev/shm/" + location.name : location.path;
}

SegmentFile::~SegmentFile() {
  if (descriptor_ >= 0 && FileIdentity::of(descriptor_) == identity_) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

// --- Creating. ---------------------------------------------------------------------------------

bool SegmentFile::create(const SegmentLocation& location, Size bytes, Fault& fault) {
  struct stat status{};
  path_ = path_of(location);
  if (lstat(path_.c_str(), &status) == 0) return refuse_existing(status, fault);
  if (!open_new() && !open_temporary()) return refuse_by_system(errno, fault);
  size_ = bytes;
  identity_ = FileIdentity::of(descriptor_);
  const int error = reserve_new(descriptor_, bytes);
  return error == 0 || refuse_by_system(error, fault);
}

// A file without a name, which can be linked only where /proc is mounted.
bool SegmentFile::open_new() {
  descriptor_ = ::open(folder_of(path_).c_str(), how | O_TMPFILE, owner_only);
  if (descriptor_ < 0) return false;
  if (access(link_of(descriptor_).c_str(), F_OK) == 0) return true;
  close(descriptor_);
  descriptor_ = -1;
  return false;
}

bool SegmentFile::open_temporary() {
  const std::string name = path_ + format(".%llx", ull{Sealer().key()[0]});
  descriptor_ = ::open(name.c_str(), how | O_CREAT | O_EXCL, owner_only);
  if (descriptor_ >= 0) temporary_ = name;
  return descriptor_ >= 0;
}

bool SegmentFile::publish(Fault& fault) {
  if (!temporary_.empty()) return rename_temporary(fault);
  const int failed =
      linkat(AT_FDCWD, link_of(descriptor_).c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW);
  return failed == 0 || refuse_by_system(errno, fault);
}

// Where the file system cannot refuse an existing name at a rename, a link can.
bool SegmentFile::rename_temporary(Fault& fault) {
  const char* const from = temporary_.c_str();
  const bool renamed =
      syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, path_.c_str(), no_replace) == 0;
  if (!renamed && (errno == EEXIST || link(from, path_.c_str()) != 0))
    return refuse_by_system(errno, fault);
  if (!renamed) unlink(from);
  temporary_.clear();
  return true;
}

// --- Opening. ----------------------------------------------------------------------------------

// Shared memory is a folder of all users: a link in it is not followed, as shm_open does not.
bool SegmentFile::open(const SegmentLocation& location, Fault& fault) {
  path_ = path_of(location);
  const bool follow = !location.path.empty();
  struct stat status{};
  if (fstatat(AT_FDCWD, path_.c_str(), &status, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
    return refuse_by_system(errno, fault);
  if (!S_ISREG(status.st_mode)) return refuse_type(status, fault);
  descriptor_ = ::open(path_.c_str(), how | (follow ? 0 : O_NOFOLLOW));
  if (descriptor_ < 0 || fstat(descriptor_, &status) != 0) return refuse_by_system(errno, fault);
  size_ = static_cast<Size>(status.st_size);
  identity_ = FileIdentity::of(descriptor_);
  return S_ISREG(status.st_mode) || refuse_type(status, fault);
}

// The program may have closed the descriptor, and opened another file under its number.
int SegmentFile::open_again() const noexcept {
  const int file = ::open(link_of(descriptor_).c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0 || FileIdentity::of(file) == identity_) return file;
  close(file);
  errno = EBADF;
  return -1;
}

bool SegmentFile::is_removed() const noexcept {
  struct stat status{};
  return fstat(descriptor_, &status) == 0 && status.st_nlink == 0;
}

bool SegmentFile::reserve(Fault& fault) const {
  const int error = has_all_pages(descriptor_) ? 0 : reserve_all(descriptor_, size_);
  return error == 0 || error == EOPNOTSUPP || refuse_by_system(error, fault);
}

void SegmentFile::flush_folder() const noexcept {
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  fsync(folder);
  close(folder);
}

}  // namespace glassheap::shared
