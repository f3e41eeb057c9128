// boost_interprocess.cpp: the two algorithms of Boost.Interprocess, over the region.
//
// rbtree_best_fit keeps the free blocks in a red-black tree by size; simple_seq_fit in a list by
// address, which it walks. Both keep all of their state in the region, and are used here without a
// lock, as in a managed_external_buffer. They have no realloc.
#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#include <boost/interprocess/mem_algo/simple_seq_fit.hpp>
#include <boost/interprocess/sync/mutex_family.hpp>
#include <boost/version.hpp>
#include <new>

#include "base/region.hpp"
#include "peers.hpp"

namespace bench {
namespace {

namespace interprocess = boost::interprocess;

// The algorithm object is at the start of the region, and is gone when the region is.
template <typename Algorithm>
class InRegion {
 public:
  explicit InRegion(Size size)
      : region_(glassheap::Region::map(size, alignof(std::max_align_t), 0)),
        algorithm_(new (region_.data()) Algorithm(region_.size(), 0)) {}

  void* allocate(Size size) { return algorithm_->allocate(size); }
  void* reallocate(void* block, Size size, Size wanted) {
    return move_block(*this, block, size, wanted);
  }
  void release(void* block, Size /*size*/) { algorithm_->deallocate(block); }

 private:
  glassheap::Region region_;
  Algorithm* algorithm_;
};

template <typename Algorithm>
Outcome play(Workload& workload, const Job& job) {
  InRegion<Algorithm> heap(job.region);
  return measure(heap, workload, job.limits);
}

}  // namespace

Peer boost_rbtree_best_fit() {
  return {play<interprocess::rbtree_best_fit<interprocess::null_mutex_family>>,
          "Boost " BOOST_LIB_VERSION};
}

Peer boost_simple_seq_fit() {
  return {play<interprocess::simple_seq_fit<interprocess::null_mutex_family>>,
          "Boost " BOOST_LIB_VERSION};
}

}  // namespace bench
