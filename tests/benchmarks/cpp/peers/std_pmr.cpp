// std_pmr.cpp: the standard library's pools over the region: no headers, no lock, no checks.
//
// unsynchronized_pool_resource has a pool for each size class, and takes memory for the pools, in
// ever larger pieces, from a monotonic_buffer_resource over the region. A pool keeps the memory
// that it has taken, so it needs a much larger region than the others. A block that is too large
// for any pool is lost when it is freed, so the largest possible pools are requested. A free needs
// the size of the block, and there is no realloc.
#include <memory_resource>
#include <new>

#include "base/region.hpp"
#include "peers.hpp"

namespace bench {
namespace {

constexpr std::size_t largest_pooled = std::size_t{4} << 20;  // bytes

class Pools {
 public:
  explicit Pools(Size size) : region_(glassheap::Region::map(size, glassheap::granule_size, 0)) {}

  void* allocate(Size size) {
    try {
      return pools_.allocate(size, glassheap::granule_size);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  void* reallocate(void* block, Size size, Size wanted) {
    return move_block(*this, block, size, wanted);
  }
  void release(void* block, Size size) { pools_.deallocate(block, size, glassheap::granule_size); }

 private:
  glassheap::Region region_;
  std::pmr::monotonic_buffer_resource buffer_{region_.data(), region_.size(),
                                              std::pmr::null_memory_resource()};
  std::pmr::unsynchronized_pool_resource pools_{
      {.max_blocks_per_chunk = 0, .largest_required_pool_block = largest_pooled}, &buffer_};
};

Outcome play(Workload& workload, const Job& job) {
  Pools heap(job.region);
  return measure(heap, workload, job.limits);
}

}  // namespace

Peer std_pmr() { return {play, "of this compiler"}; }

}  // namespace bench
