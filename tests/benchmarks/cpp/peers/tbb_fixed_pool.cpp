// tbb_fixed_pool.cpp: oneTBB's scalable allocator, over the region.
//
// Slabs of 16 KiB for each size class, with a cache for each thread; designed for many threads. It
// needs a larger region than the others, since each class has slabs of its own.
#define TBB_PREVIEW_MEMORY_POOL 1
#include <tbb/memory_pool.h>
#include <tbb/version.h>

#include <optional>
#include <stdexcept>

#include "base/region.hpp"
#include "peers.hpp"

namespace bench {
namespace {

class FixedPool {
 public:
  explicit FixedPool(Size size)
      : region_(glassheap::Region::map(size, glassheap::granule_size, 0)),
        pool_(region_.data(), region_.size()) {}

  void* allocate(Size size) { return pool_.malloc(size); }
  void* reallocate(void* block, Size /*size*/, Size wanted) {
    return pool_.realloc(block, wanted != 0 ? wanted : 1);  // with 0 bytes it would be a free
  }
  void release(void* block, Size /*size*/) { pool_.free(block); }

 private:
  glassheap::Region region_;
  tbb::fixed_pool pool_;
};

// For a region that is too small for the pool itself, its constructor throws.
Outcome play(Workload& workload, const Job& job) {
  std::optional<FixedPool> heap;
  try {
    heap.emplace(job.region);
  } catch (const std::runtime_error&) {
    return {};
  }
  return measure(*heap, workload, job.limits);
}

}  // namespace

Peer tbb_fixed_pool() { return {play, TBB_VERSION_STRING}; }

}  // namespace bench
