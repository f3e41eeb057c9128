// peers.hpp: the peers that may be built in, and what their files share.
//
// CMake compiles a peer's file if it finds what the file includes. Otherwise the function that it
// would define is missing, which a weak reference is allowed to be: it is null then, and the roster
// says so.
#pragma once

#include <cstring>

#include "contender.hpp"

namespace bench {

[[nodiscard]] Peer system_malloc();

[[gnu::weak, nodiscard]] Peer std_pmr();
[[gnu::weak, nodiscard]] Peer boost_dlmalloc();
[[gnu::weak, nodiscard]] Peer boost_rbtree_best_fit();
[[gnu::weak, nodiscard]] Peer boost_simple_seq_fit();
[[gnu::weak, nodiscard]] Peer tbb_fixed_pool();

// realloc for a heap that has none: a new block, the old bytes, and the old block is given back.
template <typename H>
void* move_block(H& heap, void* block, Size size, Size wanted) {
  void* const moved = heap.allocate(wanted);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, std::min(size, wanted));
  heap.release(block, size);
  return moved;
}

}  // namespace bench
