// presence.hpp: which attachments of a segment live, as the kernel knows it.
//
// Each attachment has an open file description of its own of the segment's file, and holds one byte
// of it locked (fcntl(2), F_OFD_SETLK) for as long as it lives, far behind the file's end:
//
//     2^62 + 1    2^62 + 2    ...    2^62 + 4,095    2^62 + 4,096
//     number 1    number 2           number 4,095    the one that is attaching
//
// The kernel lets go of the lock when the process ends, however it ends. No pid counts, so this is
// right across PID namespaces. flock(2) on the file does not interfere. A lock by fcntl(2) on the
// whole file, which goes beyond its end, makes everyone look alive.
//
// A heap that was made in mapped memory has no file. Its attachments use a stand-in: a file in the
// system's shared memory, named by the segment's identity, which the last one to leave removes. How
// the heap was made decides, so that all agree: one may map a file itself, and attach to that memory.
//
// A copy of an image has no other attachment. It may be told the original's file, to look there.
#pragma once

#include <string>

#include "base/own_file.hpp"
#include "glassheap/fault.hpp"
#include "shared/superblock.hpp"

namespace glassheap::shared {

// The number of an attachment that does not have its own yet: one at a time.
inline constexpr Number attaching = most_processes + 1;

class Presence {
 public:
  Presence() = default;
  ~Presence() { leave(); }
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;

  // Opens the segment's file, or its stand-in. Returns false (system_error) if the system refuses.
  [[nodiscard]] bool open(const Segment& segment, Fault& fault);
  [[nodiscard]] bool is_ready() const noexcept { return observes_ || file_.get() >= 0; }
  // Looks at the locks on this file, if there is one, and takes none.
  void observe(const std::string& path);
  // Lets go of every byte; the last one to leave removes the stand-in.
  void leave() noexcept;
  // Removes the stand-ins of segments that nobody has.
  static void remove_deserted();

  // Locks the byte of a number, or of the one that is attaching. Returns false if another
  // attachment has it. A copy has every byte.
  [[nodiscard]] bool try_lock(Number number) const noexcept;
  void unlock(Number number) const noexcept;
  // True if another attachment has the byte.
  [[nodiscard]] bool is_locked(Number number) const noexcept;
  // True if another attachment lives. A copy has no other.
  [[nodiscard]] bool has_company() const noexcept;

  // True in a forked child, which has no part in its parent's attachment.
  [[nodiscard]] bool is_lost_by_fork() const noexcept { return file_.is_lost_by_fork(); }
  // True if the stand-in was removed, by one that left, after it was opened.
  [[nodiscard]] bool is_orphaned() const noexcept;

 private:
  [[nodiscard]] int open_file_of(const Segment& segment);

  OwnFile file_;
  bool observes_ = false;
  std::string stand_in_;  // its name in shared memory; empty for a file
};

}  // namespace glassheap::shared
