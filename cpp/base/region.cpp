#include "glassheap/region.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/config.hpp"

namespace glassheap {
namespace {

Size page_size() noexcept {
  static const Size size = static_cast<Size>(sysconf(_SC_PAGESIZE));
  return size;
}

// Asks for large pages where the system has them: a page fault can cost as much as ten allocations,
// and a heap that places low fills what it opens. It may be refused, and nothing is lost.
void prefer_large_pages([[maybe_unused]] void* first, [[maybe_unused]] Size size) noexcept {
#ifdef MADV_HUGEPAGE
  constexpr Size large_page = Size{2} << 20;
  if (size >= large_page) madvise(first, size, MADV_HUGEPAGE);
#endif
}

}  // namespace

// Reserves address space for the worst place of the region, picks the place, and opens just that:
// whatever else was reserved stays without access, and so is the guard.
Region Region::map(Size size, Size alignment, Address like) noexcept {
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
  prefer_large_pages(std::bit_cast<void*>(opened), open_size);
  region.data_ = std::bit_cast<std::byte*>(first);
  return region;
}

Region Region::borrow(std::byte* data, Size size) noexcept {
  Region region;
  region.data_ = data;
  region.size_ = size;
  return region;
}

Region::Region(Region&& other) noexcept { *this = std::move(other); }

Region& Region::operator=(Region&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

Region::~Region() {
  unpoison(data_, size_);
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

}  // namespace glassheap
