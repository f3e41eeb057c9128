#include "trace/trace_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "trace/crc32.hpp"
#include "trace/locked_file.hpp"
#include "trace/undisturbed.hpp"

namespace glassheap::trace {
namespace {

constexpr std::uint64_t nanoseconds = 1'000'000'000;
constexpr std::uint64_t tick = FileHeader{}.tick;
constexpr int lowest_descriptor = 100;  // programs rely on low numbers

std::uint64_t read_clock(clockid_t clock) noexcept {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * nanoseconds +
         static_cast<std::uint64_t>(time.tv_nsec);
}

int move_up(int low) noexcept {
  const int high = fcntl(low, F_DUPFD_CLOEXEC, lowest_descriptor);
  if (high < 0) return low;
  ::close(low);
  return high;
}

bool write_at(int file, std::span<const std::byte> bytes, off_t at) noexcept {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(file, bytes.data(), bytes.size(), at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    at += written;
  }
  return true;
}

Ending ending_of(int error) noexcept {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Ending::disk_full;
    case EFBIG:
      return Ending::file_limit;
    case EBADF:
      return Ending::file_closed;
    default:
      return Ending::error;
  }
}

}  // namespace

int TraceFile::create(const char* path, unsigned shift, std::uint32_t flags) noexcept {
  const Undisturbed here;
  const int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return errno;
  file_ = move_up(file);
  identity_ = FileIdentity::of(file_);
  std::snprintf(path_.data(), path_.size(), "%s", path);
  if (const int error = lock_by_name(file_, path)) {
    ::close(file_);  // the process that has locked or renamed the file removes it
    return error;
  }
  const int error = map(shift, flags);
  if (error != 0) {
    unlink(path);
    ::close(file_);
  }
  return error;
}

int TraceFile::map(unsigned shift, std::uint32_t flags) noexcept {
  if (const int error = posix_fallocate(file_, 0, largest_frame)) return error;
  void* const place = mmap(nullptr, largest_frame, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  if (place == MAP_FAILED) return errno;
  origin_ = read_clock(CLOCK_MONOTONIC);
  writer_ = EventWriter(shift);
  header_ = new (place) FileHeader{.flags = flags | has_times,
                                   .shift = shift,
                                   .open_capacity = open_capacity,
                                   .started = read_clock(CLOCK_REALTIME),
                                   .process = static_cast<std::uint64_t>(getpid())};
  end_ = largest_frame;
  length_ = number_ = 0;
  return 0;
}

std::uint64_t TraceFile::now() const noexcept {
  return (read_clock(CLOCK_MONOTONIC) - origin_) / tick;
}

// The word is written last: what it covers is whole.
void TraceFile::publish() noexcept {
  std::atomic_ref(header_->open)
      .store(std::uint64_t{number_} << 32 | length_, std::memory_order_release);
}

void TraceFile::unseal() noexcept {
  std::atomic_ref(header_->sealed).store(0, std::memory_order_release);
}

// The length is written last: what it covers has this checksum.
void TraceFile::seal() noexcept {
  if (!is_open()) return;
  const std::span open{reinterpret_cast<const std::byte*>(header_ + 1), length_};
  const std::size_t sealed = std::min<std::size_t>(header_->sealed, length_);
  const std::uint32_t before = sealed == 0 ? 0 : header_->checksum;
  unseal();
  header_->checksum = crc32(open.subspan(sealed), before);
  std::atomic_ref(header_->sealed)
      .store(static_cast<std::uint32_t>(length_), std::memory_order_release);
}

void TraceFile::finish() noexcept {
  seal();
  close();
}

bool TraceFile::flush() noexcept {
  const Undisturbed here;
  const int errno_of_the_program = errno;
  const std::span open{reinterpret_cast<const std::byte*>(header_ + 1), length_};
  const bool written = write(make_frame(open, number_, space_));
  if (written) {
    length_ = 0;
    ++number_;
    unseal();  // before the block is another one
    publish();
    writer_.begin_frame();
  } else {
    end(errno);
  }
  errno = errno_of_the_program;
  return written;
}

// A program that closes descriptors that it does not know may have another file at this number.
bool TraceFile::write(std::span<const std::byte> bytes) noexcept {
  if (FileIdentity::of(file_) != identity_) {
    file_ = -1;
    errno = EBADF;
    return false;
  }
  if (!write_at(file_, bytes, end_)) return false;
  end_ += static_cast<off_t>(bytes.size());
  return true;
}

// The mark is in the header, whose place the disk has given already.
void TraceFile::end(int error) noexcept {
  header_->ending = ending_of(error);
  finish();
  std::array<char, 512> text{};
  errno = error;  // for %m
  const int length = std::snprintf(
      text.data(), text.size(),
      "glassheap: cannot write to %s: %m; the recording ends here, and the program runs on\n",
      path_.data());
  if (::write(STDERR_FILENO, text.data(), static_cast<std::size_t>(length)) < 0) errno = error;
}

void TraceFile::close() noexcept {
  if (!is_open()) return;
  munmap(header_, largest_frame);
  header_ = nullptr;
  close_descriptor();
}

// A mapping keeps the lock as a descriptor does, so other memory takes its place.
void TraceFile::leave_to_parent() noexcept {
  if (!is_open()) return;
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  void* const place = mmap(header_, largest_frame, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (place == MAP_FAILED) header_ = nullptr;
  close_descriptor();
}

void TraceFile::close_descriptor() noexcept {
  if (file_ >= 0 && FileIdentity::of(file_) == identity_) ::close(file_);
  file_ = -1;
}

}  // namespace glassheap::trace
