// region.hpp: the span of bytes that a heap cuts into blocks, and its owner.
//
// Private pages lie between two guard pages. A write past the region then stops the program at the
// very instruction, and changes no other data:
//
//     | guard page | unused, under a page | region .................. | guard page |
//     no access                           data()          data() + size()  no access
//
// The region ends at the guard page behind it, as far as its alignment permits.
//
// Borrowed bytes have no guard pages. A heap that has them to itself leaves the last granule to a
// sentinel, whose bytes tell of a write past the region:
//
//     | not used | region .................. | FD FD FD FD ... | not used |
//     span       data()          data() + size()   the sentinel
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "glassheap/types.hpp"

namespace glassheap {

class Region {
 public:
  Region() noexcept = default;
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;  // swaps
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region();

  // Maps `size` bytes (rounded up to a granule; at most largest_region) at an address that is equal
  // to `like`, a multiple of 16, modulo `alignment`, a power of two from 16. The bytes are zero,
  // and take memory when they are first touched: a page at a time, or with `huge_pages` 2 MiB where
  // the system has such pages. Returns an empty region if and only if the system
  // refuses the pages.
  [[nodiscard]] static Region map(Size size, Size alignment, Address like,
                                  bool huge_pages = false) noexcept;

  // Borrows all of `bytes`, whole granules from a granule on.
  [[nodiscard]] static Region borrow(std::span<std::byte> bytes) noexcept;

  // Borrows the whole granules of `bytes` from the first address on that is equal to `like` modulo
  // `alignment`, as for map(). The last granule is for the sentinel, which is not written yet.
  [[nodiscard]] static Region borrow_with_sentinel(std::span<std::byte> bytes, Size alignment,
                                                   Address like) noexcept;

  // Holds `keeper`, which keeps borrowed bytes, until the region is destroyed.
  void keep(std::shared_ptr<void> keeper) noexcept { keeper_ = std::move(keeper); }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] Size size() const noexcept { return size_; }
  [[nodiscard]] explicit operator bool() const noexcept { return data_ != nullptr; }

  // Writes the sentinel, if there is one.
  void write_sentinel() noexcept;
  // The offset of the first byte of the sentinel that another writer has changed, if any.
  [[nodiscard]] std::optional<Offset> changed_sentinel_byte() const noexcept;

 private:
  std::byte* data_ = nullptr;
  Size size_ = 0;
  void* mapping_ = nullptr;  // from mmap, guard pages included; null for borrowed bytes
  Size mapped_ = 0;
  std::shared_ptr<void> keeper_;  // of borrowed bytes
  bool has_sentinel_ = false;
};

}  // namespace glassheap
