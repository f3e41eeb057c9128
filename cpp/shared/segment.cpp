#include "shared/segment.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace glassheap::shared {

Segment::Segment(const SegmentLocation& location)
    : data_(location.data), size_(location.size), keeper_(location.keeper) {}

Segment::~Segment() {
  if (!is_memory() && data_ != nullptr) munmap(data_, size_);
}

std::unique_ptr<Segment> Segment::create(const SegmentLocation& location, Size bytes,
                                         Fault& fault) {
  std::unique_ptr<Segment> segment(new Segment(location));
  segment->size_ = bytes;
  if (location.data != nullptr) return segment;
  const bool made = segment->file_.create(location, bytes, fault) && segment->map(fault);
  return made ? std::move(segment) : nullptr;
}

bool Segment::publish(Fault& fault) { return is_memory() || file_.publish(fault); }

std::unique_ptr<Segment> Segment::open(const SegmentLocation& location, Fault& fault) {
  std::unique_ptr<Segment> segment(new Segment(location));
  if (location.data != nullptr) return segment;
  if (!segment->file_.open(location, fault)) return nullptr;
  segment->size_ = segment->file_.size();
  return segment;
}

bool Segment::map(Fault& fault) {
  if (is_memory()) return true;
  if (!file_.reserve(fault)) return false;
  void* const memory =
      mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file_.descriptor(), 0);
  if (memory == MAP_FAILED) return refuse_by_system(errno, fault);
  data_ = static_cast<std::byte*>(memory);
  return true;
}

void Segment::read_front(std::span<std::byte> front) const noexcept {
  std::ranges::fill(front, std::byte{0});
  const Size count = std::min<Size>(front.size(), size_);
  if (is_memory()) {
    std::memcpy(front.data(), data_, count);
  } else if (pread(file_.descriptor(), front.data(), count, 0) < 0) {
    std::ranges::fill(front, std::byte{0});
  }
}

bool Segment::remove(const SegmentLocation& location, Fault& fault) {
  return unlink(path_of(location).c_str()) == 0 || refuse_by_system(errno, fault);
}

bool Segment::flush(Size from, Size to, Fault& fault) const noexcept {
  return msync(data_ + from, to - from, MS_SYNC) == 0 || refuse_by_system(errno, fault);
}

}  // namespace glassheap::shared
