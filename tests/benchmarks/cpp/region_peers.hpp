// region_peers.hpp: dlmalloc and TLSF as heaps under test.
//
// peers.py fetches their sources. Like every heap under test, each is made for a region of so many
// bytes, and throws if that is too small for the heap itself. Neither locks.
#pragma once

#include <tlsf.h>

#include <algorithm>
#include <stdexcept>

#include "base/region.hpp"
#include "workloads.hpp"

// Of dlmalloc, which comes without a header of its own.
extern "C" {
using mspace = void*;
mspace create_mspace_with_base(void* base, std::size_t capacity, int locked);
void* mspace_malloc(mspace space, std::size_t bytes);
void* mspace_realloc(mspace space, void* block, std::size_t bytes);
void mspace_free(mspace space, void* block);
}

namespace bench {

[[nodiscard]] inline glassheap::Region map_region(Size size) {
  return glassheap::Region::map(size, glassheap::granule_size, 0);
}

// Doug Lea's malloc 2.8.6: a space in the region.
//
// Best fit from exact bins below 256 bytes and from tries above, a designated victim, a header of 8
// bytes. A free compares the address with the region's and with its neighbours' bits.
class Dlmalloc {
 public:
  explicit Dlmalloc(Size region) : region_(map_region(region)) {
    space_ = create_mspace_with_base(region_.data(), region_.size(), 0);
    if (space_ == nullptr) throw std::runtime_error("The region is too small for dlmalloc.");
  }

  void* allocate(Size size) { return mspace_malloc(space_, size); }
  void* reallocate(void* block, Size wanted) { return mspace_realloc(space_, block, wanted); }
  void release(void* block, Size /*size*/) { mspace_free(space_, block); }

 private:
  glassheap::Region region_;
  mspace space_;
};

// Matthew Conte's TLSF 3.1: a pool in the region.
//
// Good fit from two levels of bit maps, 32 lists for each power of two, a header of 8 bytes, blocks
// aligned to 8. It checks nothing.
class Tlsf {
 public:
  explicit Tlsf(Size region) : region_(map_region(region)) {
    if (region_.size() <= tlsf_size() + tlsf_pool_overhead() + tlsf_block_size_min())
      throw std::runtime_error("The region is too small for TLSF.");
    pool_ = tlsf_create_with_pool(region_.data(), region_.size());
  }

  void* allocate(Size size) { return tlsf_malloc(pool_, at_least_one(size)); }
  void* reallocate(void* block, Size wanted) {
    return tlsf_realloc(pool_, block, at_least_one(wanted));
  }
  void release(void* block, Size /*size*/) { tlsf_free(pool_, block); }

 private:
  static Size at_least_one(Size size) { return std::max(size, Size{1}); }  // it refuses 0 bytes

  glassheap::Region region_;
  tlsf_t pool_;
};

}  // namespace bench
