// peers.hpp: the peers that may be built in, and the helpers that they share.
//
// CMake compiles a peer's file if it finds the peer's headers. Otherwise the function that the file
// defines is missing. The functions are weak references: a missing one is null, and the registry
// lists the peer as missing.
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

// realloc for a heap that has none: allocates a new block, copies the bytes, frees the old block.
template <typename H>
void* move_block(H& heap, void* block, Size size, Size wanted) {
  void* const moved = heap.allocate(wanted);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, std::min(size, wanted));
  heap.release(block, size);
  return moved;
}

}  // namespace bench
