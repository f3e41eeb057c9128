#include "base/region.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/config.hpp"
#include "glassheap/layout.h"

namespace glassheap {
namespace {

Size page_size() noexcept {
  static const Size size = static_cast<Size>(sysconf(_SC_PAGESIZE));
  return size;
}

// With large pages a byte that is written takes 2 MiB, and a page fault is rare: it can cost as
// much as ten allocations. Some systems give them unasked. The system may refuse either, at no
// loss.
void choose_pages([[maybe_unused]] void* first, [[maybe_unused]] Size size,
                  [[maybe_unused]] bool huge) noexcept {
#ifdef MADV_HUGEPAGE
  constexpr Size large_page = Size{2} << 20;
  if (size >= large_page) madvise(first, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
}

}  // namespace

// Reserves address space for the worst place of the region, picks the place, and opens just that.
// All other reserved pages stay without access, as the guard pages do.
Region Region::map(Size size, Size alignment, Address like, bool huge_pages) noexcept {
  const Size page = page_size();
  Region region;
  region.size_ = round_up(size, granule_size);
  region.mapped_ = round_up(region.size_ + 2 * alignment, page) + 2 * page;
  void* const mapping =
      mmap(nullptr, region.mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return {};
  region.mapping_ = mapping;

  const auto reserved = std::bit_cast<Address>(mapping);
  const Address guard = reserved + region.mapped_ - page;
  const Address phase = like & (alignment - 1);
  const Address first = round_down(guard - region.size_ - phase, alignment) + phase;
  const Address opened = round_down(first, page);
  const Size open_size = round_up(first + region.size_, page) - opened;
  if (mprotect(std::bit_cast<void*>(opened), open_size, PROT_READ | PROT_WRITE) != 0) return {};
  choose_pages(std::bit_cast<void*>(opened), open_size, huge_pages);
  region.data_ = std::bit_cast<std::byte*>(first);
  return region;
}

Region Region::borrow(std::span<std::byte> bytes) noexcept {
  Region region;
  region.data_ = bytes.data();
  region.size_ = bytes.size();
  return region;
}

Region Region::borrow_with_sentinel(std::span<std::byte> bytes, Size alignment,
                                    Address like) noexcept {
  const auto first = std::bit_cast<Address>(bytes.data());
  const Address from = first + ((like - first) & (alignment - 1));
  const Address to = round_down(first + bytes.size(), granule_size);
  const Size size = to > from + granule_size ? to - from - granule_size : 0;
  if (size == 0) return {};
  Region region = borrow(bytes.subspan(from - first, size));
  region.has_sentinel_ = true;
  return region;
}

void Region::write_sentinel() noexcept {
  if (has_sentinel_) std::memset(data_ + size_, GLASSHEAP_REDZONE, granule_size);
}

std::optional<Offset> Region::changed_sentinel_byte() const noexcept {
  if (!has_sentinel_) return std::nullopt;
  const std::span sentinel(data_ + size_, granule_size);
  const auto changed = std::ranges::find_if(
      sentinel, [](std::byte byte) { return byte != std::byte{GLASSHEAP_REDZONE}; });
  if (changed == sentinel.end()) return std::nullopt;
  return size_ + static_cast<Offset>(changed - sentinel.begin());
}

Region::Region(Region&& other) noexcept { *this = std::move(other); }

Region& Region::operator=(Region&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  std::swap(keeper_, other.keeper_);
  std::swap(has_sentinel_, other.has_sentinel_);
  return *this;
}

Region::~Region() {
  unpoison(data_, size_);
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

}  // namespace glassheap
