// boost_dlmalloc.cpp: Doug Lea's malloc 2.8.6, from Boost.Container.
//
// Best fit from exact bins below 256 bytes and from tries above, a designated victim, one lock. It
// takes its memory from the system. Trimming is turned off, so that it does not return pages and
// request them again during a measurement, which a heap over a region never does. It has no
// realloc, but grows a block in place if possible; here a block that cannot grow is moved.
#include <boost/container/detail/dlmalloc.hpp>
#include <boost/version.hpp>

#include "peers.hpp"

namespace bench {
namespace {

namespace container = boost::container;

constexpr int trim_threshold = -1;  // M_TRIM_THRESHOLD of dlmalloc's own header
constexpr int mmap_threshold = -3;  // M_MMAP_THRESHOLD
constexpr int never = -1;

class Dlmalloc {
 public:
  Dlmalloc() {
    container::dlmalloc_mallopt(trim_threshold, never);
    container::dlmalloc_mallopt(mmap_threshold, never);
  }

  static void* allocate(Size size) { return container::dlmalloc_malloc(size); }
  void* reallocate(void* block, Size size, Size wanted) {
    std::size_t received = 0;
    if (wanted <= container::dlmalloc_size(block)) return block;
    if (container::dlmalloc_grow(block, wanted, wanted, &received) != 0) return block;
    return move_block(*this, block, size, wanted);
  }
  static void release(void* block, Size /*size*/) { container::dlmalloc_free(block); }
};

Outcome play(Workload& workload, const Job& job) {
  Dlmalloc heap;
  return measure(heap, workload, job.limits);
}

}  // namespace

Peer boost_dlmalloc() { return {play, "2.8.6 in Boost " BOOST_LIB_VERSION}; }

}  // namespace bench
