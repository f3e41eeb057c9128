// segment.hpp: bytes that several processes map: POSIX shared memory, a file, or mapped memory.
#pragma once

#include <memory>

#include "glassheap/fault.hpp"
#include "glassheap/options.hpp"

namespace glassheap::shared {

class Segment {
 public:
  // Creates a segment of `bytes` zeros. Returns null (system_error) if there is one already, or no
  // room.
  [[nodiscard]] static std::unique_ptr<Segment> create(const SegmentLocation& location, Size bytes,
                                                       Fault& fault);
  // Opens an existing segment. Maps all its bytes, or none if there are fewer than `least`.
  [[nodiscard]] static std::unique_ptr<Segment> open(const SegmentLocation& location, Size least,
                                                     Fault& fault);
  // Removes the name, or the file. Open segments stay. Refused (system_error) if it is gone.
  [[nodiscard]] static bool remove(const SegmentLocation& location, Fault& fault);

  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] Size size() const noexcept { return size_; }
  // The inode of its file; 0 for mapped memory.
  [[nodiscard]] std::uint64_t file() const noexcept;
  // Waits until the file has all that was written.
  [[nodiscard]] bool flush(Fault& fault) const noexcept;

  // The lock of attaching, which one process at a time has. Mapped memory has none.
  void lock_attach() const noexcept;
  void unlock_attach() const noexcept;

 private:
  Segment() = default;
  [[nodiscard]] bool map(Fault& fault);

  int file_ = -1;
  std::byte* data_ = nullptr;
  Size size_ = 0;
  std::shared_ptr<void> keeper_;  // of memory that the caller has mapped
};

}  // namespace glassheap::shared
