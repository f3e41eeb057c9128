// segment_file.hpp: the file of a segment. Shared memory under a name is a file in /dev/shm.
//
//     create    a file without a name, in the folder of its later name: no process can attach yet
//     reserve   all its bytes get room, because a page that is missing later ends the process
//     publish   a link gives the file its name, unless the name exists
//
// A process that is killed before the last step leaves no file. Where the file system has no files
// without a name, the new file has a temporary one.
#pragma once

#include <string>

#include "base/file_identity.hpp"
#include "glassheap/fault.hpp"
#include "glassheap/options.hpp"

namespace glassheap::shared {

// Fills in a system_error. Returns false.
bool refuse_by_system(int error, Fault& fault) noexcept;

[[nodiscard]] std::string path_of(const SegmentLocation& location);

class SegmentFile {
 public:
  SegmentFile() = default;
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;
  ~SegmentFile();  // removes a new file that was not published

  // Makes a file of `bytes` zeros, which publish() puts at the location. Refused (system_error) if
  // there is a file already, or no room.
  [[nodiscard]] bool create(const SegmentLocation& location, Size bytes, Fault& fault);
  // Refused (system_error) if there is a file at the location by now.
  [[nodiscard]] bool publish(Fault& fault);
  // Opens an existing file, and waits for nothing. Refused: anything but a regular file (bad_image);
  // what the system refuses (system_error).
  [[nodiscard]] bool open(const SegmentLocation& location, Fault& fault);
  // Makes sure that no page is missing, where the file system can. Refused (system_error) if there
  // is no room.
  [[nodiscard]] bool reserve(Fault& fault) const;

  // Waits until the disk has the name of the file, if the system lets this process wait for it.
  void flush_folder() const noexcept;

  // Opens the file once more, as another open file. Returns the descriptor; -1, and errno, if the
  // system refuses.
  [[nodiscard]] int open_again() const noexcept;
  // True if its last name was removed.
  [[nodiscard]] bool is_removed() const noexcept;

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] std::uint64_t inode() const noexcept { return identity_.inode; }
  [[nodiscard]] Size size() const noexcept { return size_; }

 private:
  [[nodiscard]] bool open_new();
  [[nodiscard]] bool open_temporary();
  [[nodiscard]] bool rename_temporary(Fault& fault);

  int descriptor_ = -1;
  FileIdentity identity_;
  Size size_ = 0;
  std::string path_;
  std::string temporary_;  // the name of a new file, if it needs one
};

}  // namespace glassheap::shared
