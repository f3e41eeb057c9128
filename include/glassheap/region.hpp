// region.hpp: one span of bytes, and who owns it.
//
// Here: private pages from mmap. A page without access stands at either end, so that a write past
// the region stops the program at the very instruction, instead of changing a stranger's data.
//
//     | guard page | (up to a page that nobody uses) | region .................. | guard page |
//     no access                                       data()            data()+size()  no access
//
// The region is put flush against the guard behind it as far as its alignment permits.
#pragma once

#include "glassheap/types.hpp"

namespace glassheap {

class Region {
 public:
  Region() noexcept = default;
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region();

  // Maps `size` bytes (rounded up to a granule; at most largest_region) at an address that is equal
  // to `like`, a multiple of 16, modulo `alignment`, a power of two from 16. The bytes are zero,
  // and take memory when they are first touched. Returns an empty region if and only if the system
  // does not give the pages.
  [[nodiscard]] static Region map(Size size, Size alignment, Address like) noexcept;

  // Somebody else's bytes, a whole number of granules from a granule on; they outlive the region.
  [[nodiscard]] static Region borrow(std::byte* data, Size size) noexcept;

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] Size size() const noexcept { return size_; }
  [[nodiscard]] explicit operator bool() const noexcept { return data_ != nullptr; }

 private:
  std::byte* data_ = nullptr;
  Size size_ = 0;
  void* mapping_ = nullptr;  // what mmap gave, guards included; null for what was borrowed
  Size mapped_ = 0;
};

}  // namespace glassheap
