// own_file.hpp: an open file of this process alone, which a forked child does not inherit.
//
// A lock of the kernel on an open file description (OFD) lasts until the last process that has the
// description lets go of it. A child that kept its parent's would keep the locks of a dead parent.
// So fork() closes these files in the child, at once. exec() closes them too.
#pragma once

#include <cerrno>
#include <mutex>

#include "base/file_identity.hpp"

namespace glassheap {

class OwnFile {
 public:
  OwnFile() = default;
  ~OwnFile() { close(); }
  OwnFile(const OwnFile&) = delete;
  OwnFile& operator=(const OwnFile&) = delete;

  // Takes the descriptor that open() returns, with O_CLOEXEC. No fork comes in between. Returns 0,
  // or errno if open() returns less than 0.
  template <typename Open>
  int open(Open open) {
    close();
    expect_forks();
    const std::lock_guard guard(mutex());
    file_ = open();
    if (file_ < 0) return errno;
    identity_ = FileIdentity::of(file_);
    enlist();
    return 0;
  }
  void close() noexcept;

  // The descriptor; -1 if the file is not open.
  [[nodiscard]] int get() const noexcept { return file_; }
  // Returns true in a forked child whose parent had the file open.
  [[nodiscard]] bool is_lost_by_fork() const noexcept { return lost_by_fork_; }

  // For fork() (lock.cpp), which locks all heaps first and these files last.
  static void lock_all() noexcept { mutex().lock(); }
  static void unlock_all() noexcept { mutex().unlock(); }
  static void close_all_in_child() noexcept;

 private:
  // Makes fork() call the three functions above.
  static void expect_forks() noexcept;
  static std::mutex& mutex() noexcept;
  static OwnFile*& head() noexcept;
  void enlist() noexcept;
  void delist() noexcept;

  void close_descriptor() noexcept;

  int file_ = -1;
  FileIdentity identity_;
  bool lost_by_fork_ = false;
  OwnFile* next_ = nullptr;
  OwnFile* prev_ = nullptr;
};

}  // namespace glassheap
