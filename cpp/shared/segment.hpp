// segment.hpp: bytes that several processes map: POSIX shared memory, a file, or a buffer.
#pragma once

#include <memory>

#include "glassheap/fault.hpp"
#include "glassheap/options.hpp"

namespace glassheap::shared {

class Segment {
 public:
  // A new segment of `bytes` zeros; refused (system_error) where there is one already, or no room.
  [[nodiscard]] static std::unique_ptr<Segment> create(const SegmentLocation& location, Size bytes,
                                                       Fault& fault);
  // One that is there; as many bytes of it as there are, at least `least`.
  [[nodiscard]] static std::unique_ptr<Segment> open(const SegmentLocation& location, Size least,
                                                     Fault& fault);
  // Takes the name, or the file, away; who has the segment keeps it. Refused where it is gone.
  [[nodiscard]] static bool remove(const SegmentLocation& location, Fault& fault);

  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] Size size() const noexcept { return size_; }
  // A number that no other file has at the same time, its inode; 0 for a buffer.
  [[nodiscard]] std::uint64_t file() const noexcept;
  // Waits for what was written to be in the file.
  [[nodiscard]] bool flush(Fault& fault) const noexcept;

  // One process at a time attaches, where the system can keep the others out.
  void lock_attach() const noexcept;
  void unlock_attach() const noexcept;

 private:
  Segment() = default;
  [[nodiscard]] bool map(Fault& fault);

  int file_ = -1;
  std::byte* data_ = nullptr;
  Size size_ = 0;
  std::shared_ptr<void> keeper_;  // of memory that was mapped by somebody else
};

}  // namespace glassheap::shared
