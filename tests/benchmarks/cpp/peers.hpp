// peers.hpp: more allocators as heaps under test: libraries that the machine has installed.
#pragma once

#define TBB_PREVIEW_MEMORY_POOL 1
#include <tbb/memory_pool.h>

#include <bit>
#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#include <boost/interprocess/mem_algo/simple_seq_fit.hpp>
#include <boost/interprocess/sync/mutex_family.hpp>
#include <cstdlib>
#include <memory_resource>
#include <new>

#include "region_peers.hpp"

namespace bench {

// The malloc of this process: that of the C library, or of a library in LD_PRELOAD.
//
// It takes its memory from the system and has no region; a header of 8 or 16 bytes in front of each
// block or none, thread caches, and few checks.
class SystemMalloc {
 public:
  static constexpr bool has_region = false;
  explicit SystemMalloc(Size /*region*/) {}

  static void* allocate(Size size) { return std::malloc(size); }
  static void* reallocate(void* block, Size wanted) {
    return std::realloc(block, wanted != 0 ? wanted : 1);  // with 0 bytes it would be a free
  }
  static void release(void* block, Size /*size*/) { std::free(block); }
};

// The standard library's pools over the region: no headers, no lock, no checks.
//
// unsynchronized_pool_resource has a pool for each size class, and takes memory for the pools, in
// ever larger pieces, from a monotonic_buffer_resource over the region. A pool keeps the memory
// that it has taken, so it needs a much larger region than the others. A block that is too large
// for any pool is lost when it is freed, so the largest possible pools are requested. A free needs
// the size of the block, and there is no realloc.
class StandardPools {
 public:
  explicit StandardPools(Size region) : region_(map_region(region)) {}

  void* allocate(Size size) {
    try {
      return pools_.allocate(size, glassheap::granule_size);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  void release(void* block, Size size) { pools_.deallocate(block, size, glassheap::granule_size); }

 private:
  static constexpr std::size_t largest_pooled = std::size_t{4} << 20;  // bytes

  glassheap::Region region_;
  std::pmr::monotonic_buffer_resource buffer_{region_.data(), region_.size(),
                                              std::pmr::null_memory_resource()};
  std::pmr::unsynchronized_pool_resource pools_{
      {.max_blocks_per_chunk = 0, .largest_required_pool_block = largest_pooled}, &buffer_};
};

// An algorithm of Boost.Interprocess, over the region.
//
// rbtree_best_fit keeps the free blocks in a red-black tree by size; simple_seq_fit in a list by
// address, which it walks. Both keep all of their state in the region, and are used here without a
// lock, as in a managed_external_buffer. They have no realloc. The algorithm object is at the start
// of the region, and is gone when the region is.
template <typename Algorithm>
class InterprocessHeap {
 public:
  explicit InterprocessHeap(Size region)
      : region_(map_region(region)),
        algorithm_(new (region_.data()) Algorithm(region_.size(), 0)) {}

  void* allocate(Size size) { return algorithm_->allocate(size); }
  void release(void* block, Size /*size*/) { algorithm_->deallocate(block); }

 private:
  glassheap::Region region_;
  Algorithm* algorithm_;
};

using Unlocked = boost::interprocess::null_mutex_family;
using TreeBestFit = InterprocessHeap<boost::interprocess::rbtree_best_fit<Unlocked>>;
using SequentialFit = InterprocessHeap<boost::interprocess::simple_seq_fit<Unlocked>>;

// oneTBB's scalable allocator, over the region.
//
// Slabs of 16 KiB for each size class, with a cache for each thread; designed for many threads. It
// needs a larger region than the others, since each class has slabs of its own.
class FixedPool {
 public:
  explicit FixedPool(Size region)
      : region_(map_region(region)), pool_(region_.data(), region_.size()) {}

  void* allocate(Size size) { return pool_.malloc(size); }
  void* reallocate(void* block, Size wanted) {
    return pool_.realloc(block, wanted != 0 ? wanted : 1);  // with 0 bytes it would be a free
  }
  void release(void* block, Size /*size*/) { pool_.free(block); }

 private:
  glassheap::Region region_;
  tbb::fixed_pool pool_;
};

}  // namespace bench
