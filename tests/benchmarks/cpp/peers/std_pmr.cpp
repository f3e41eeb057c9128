// std_pmr.cpp: the standard library's pools over the region: no header, no lock, no check.
//
// unsynchronized_pool_resource has a pool for each class of sizes, and takes memory for them, ever
// larger pieces, from a monotonic_buffer_resource over the region. What a pool has taken stays with
// it, so it needs a much larger region than the others; and what is too large for any pool is lost
// when it is given back, which is why the pools are asked to go up as far as they will. A block's
// size must be told when it is given back, and there is no realloc.
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

Outcome play(Load& load, const Job& job) {
  Pools heap(job.region);
  return measure(heap, load, job.limits);
}

}  // namespace

Peer std_pmr() { return {play, "of this compiler"}; }

}  // namespace bench
