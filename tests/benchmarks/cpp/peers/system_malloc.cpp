// system_malloc.cpp: the malloc of this process: that of the C library, or of a library in
// LD_PRELOAD.
//
// It takes its memory from the system and has no region; a header of 8 or 16 bytes in front of each
// block or none, thread caches, and few checks.
#include <cstdlib>

#include "machine.hpp"
#include "peers.hpp"

namespace bench {
namespace {

class SystemMalloc {
 public:
  static void* allocate(Size size) { return std::malloc(size); }
  static void* reallocate(void* block, Size /*size*/, Size wanted) {
    return std::realloc(block, wanted != 0 ? wanted : 1);  // with 0 bytes it would be a free
  }
  static void release(void* block, Size /*size*/) { std::free(block); }
};

Outcome play(Workload& workload, const Job& job) {
  SystemMalloc heap;
  return measure(heap, workload, job.limits);
}

}  // namespace

Peer system_malloc() { return {play, c_library()}; }

}  // namespace bench
