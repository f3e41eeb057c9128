#include "shared/segment.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace glassheap::shared {
namespace {

bool refuse(int error, Fault& fault) noexcept {
  fault = {.kind = FaultKind::system_error, .system_error = error};
  return false;
}

std::string shm_name(const SegmentLocation& location) { return "/" + location.name; }

int open_file(const SegmentLocation& location, int flags) {
  constexpr mode_t owner_only = 0600;
  flags |= O_RDWR | O_CLOEXEC;
  if (!location.path.empty()) return ::open(location.path.c_str(), flags, owner_only);
  return shm_open(shm_name(location).c_str(), flags, owner_only);
}

}  // namespace

// Reserves all pages at once: a page that is missing later would end the process, by SIGBUS.
std::unique_ptr<Segment> Segment::create(const SegmentLocation& location, Size bytes,
                                         Fault& fault) {
  std::unique_ptr<Segment> segment(new Segment);
  segment->size_ = bytes;
  segment->keeper_ = location.keeper;
  segment->data_ = location.data;
  if (location.data != nullptr) return segment;
  segment->file_ = open_file(location, O_CREAT | O_EXCL);
  if (segment->file_ < 0) {
    refuse(errno, fault);
    return nullptr;
  }
  const int error = posix_fallocate(segment->file_, 0, static_cast<off_t>(bytes));
  if (error == 0 && segment->map(fault)) return segment;
  if (error != 0) refuse(error, fault);
  Fault ignored;  // the segment was made above
  static_cast<void>(remove(location, ignored));
  return nullptr;
}

std::unique_ptr<Segment> Segment::open(const SegmentLocation& location, Size least, Fault& fault) {
  std::unique_ptr<Segment> segment(new Segment);
  segment->keeper_ = location.keeper;
  segment->data_ = location.data;
  segment->size_ = location.size;
  if (location.data != nullptr) return segment;
  segment->file_ = open_file(location, 0);
  struct stat status{};
  if (segment->file_ < 0 || fstat(segment->file_, &status) != 0) {
    refuse(errno, fault);
    return nullptr;
  }
  segment->size_ = static_cast<Size>(status.st_size);
  if (segment->size_ < least) return segment;  // nothing to map yet
  return segment->map(fault) ? std::move(segment) : nullptr;
}

bool Segment::map(Fault& fault) {
  void* const memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  if (memory == MAP_FAILED) return refuse(errno, fault);
  data_ = static_cast<std::byte*>(memory);
  return true;
}

bool Segment::remove(const SegmentLocation& location, Fault& fault) {
  const int failed = location.path.empty() ? shm_unlink(shm_name(location).c_str())
                                           : unlink(location.path.c_str());
  return failed == 0 || refuse(errno, fault);
}

std::uint64_t Segment::file() const noexcept {
  struct stat status{};
  return file_ >= 0 && fstat(file_, &status) == 0 ? status.st_ino : 0;
}

bool Segment::flush(Fault& fault) const noexcept {
  if (file_ < 0 || msync(data_, size_, MS_SYNC) == 0) return true;
  return refuse(errno, fault);
}

void Segment::lock_attach() const noexcept {
  if (file_ >= 0) flock(file_, LOCK_EX);
}
void Segment::unlock_attach() const noexcept {
  if (file_ >= 0) flock(file_, LOCK_UN);
}

Segment::~Segment() {
  if (file_ < 0) return;
  if (data_ != nullptr) munmap(data_, size_);
  close(file_);
}

}  // namespace glassheap::shared
