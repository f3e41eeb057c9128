// own_file.hpp: an open file of this process alone, which a forked child does not inherit.
//
// The kernel's locks on an open file description (OFD) are why (fork_list.hpp). exec() closes these
// files too.
#pragma once

#include <cerrno>

#include "base/file_identity.hpp"
#include "base/fork_list.hpp"

namespace glassheap {

class OwnFile final : ForkListed {
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
    lost_by_fork_ = false;
    enlist();
    return 0;
  }
  void close() noexcept;

  // The descriptor; -1 if the file is not open.
  [[nodiscard]] int get() const noexcept { return file_; }
  // Returns true in a forked child whose parent had the file open.
  [[nodiscard]] bool is_lost_by_fork() const noexcept { return lost_by_fork_; }

 private:
  void let_go() noexcept override;
  void close_descriptor() noexcept;

  int file_ = -1;
  FileIdentity identity_;
  bool lost_by_fork_ = false;
};

}  // namespace glassheap
