// segment.hpp: bytes that several processes map: POSIX shared memory, a file, or mapped memory.
#pragma once

#include <memory>
#include <span>

#include "shared/fixed_fields.hpp"
#include "shared/segment_file.hpp"

namespace glassheap::shared {

class Segment {
 public:
  // Creates a segment of `bytes` zeros, which no other process finds before publish(). Returns null
  // (system_error) if there is one already, or no room.
  [[nodiscard]] static std::unique_ptr<Segment> create(const SegmentLocation& location, Size bytes,
                                                       Fault& fault);
  [[nodiscard]] bool publish(Fault& fault);
  // Opens an existing segment. The bytes of a file can be read, and are not mapped yet.
  [[nodiscard]] static std::unique_ptr<Segment> open(const SegmentLocation& location, Fault& fault);
  // Removes the name, or the file. Open segments stay. Refused (system_error) if it is gone.
  [[nodiscard]] static bool remove(const SegmentLocation& location, Fault& fault);

  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment();

  // Maps all bytes of an open segment. Reserves them first, because a page that is missing later
  // would end the process, by SIGBUS.
  [[nodiscard]] bool map(Fault& fault);
  // Copies its first bytes. Those that it does not have are zeros.
  void read_front(std::span<std::byte> front) const noexcept;

  // The fixed fields, as they were written or checked.
  [[nodiscard]] const FixedFields& fixed() const noexcept { return fixed_; }
  void set_fixed(const FixedFields& fixed) noexcept { fixed_ = fixed; }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] Size size() const noexcept { return size_; }
  // True for memory that the caller has mapped, without a file.
  [[nodiscard]] bool is_memory() const noexcept { return file_.descriptor() < 0; }
  // The inode of its file; 0 for mapped memory.
  [[nodiscard]] std::uint64_t file() const noexcept { return file_.inode(); }
  // Opens its file once more, as another open file. Returns the descriptor; -1, and errno, if the
  // system refuses.
  [[nodiscard]] int open_again() const noexcept { return file_.open_again(); }
  // Waits until the disk has these bytes, which are whole pages.
  [[nodiscard]] bool flush(Size from, Size to, Fault& fault) const noexcept;
  // Waits until the disk has the file's name.
  void flush_name() const noexcept { file_.flush_folder(); }
  // True if the name or the file was removed since the segment was opened.
  [[nodiscard]] bool is_removed() const noexcept { return !is_memory() && file_.is_removed(); }

 private:
  explicit Segment(const SegmentLocation& location);

  SegmentFile file_;
  FixedFields fixed_;
  std::byte* data_;
  Size size_;
  std::shared_ptr<void> keeper_;  // of memory that the caller has mapped
};

}  // namespace glassheap::shared
