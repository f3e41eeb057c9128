// ours.hpp: glassheap as a heap under test.
//
// It uses the class that the Python bindings use, with the lock, pointer checks and all other
// checks on. A free that is refused would be a bug of this program, and ends it.
#pragma once

#include <bit>
#include <memory>

#include "contender.hpp"
#include "glassheap/heap.hpp"

namespace bench {

[[nodiscard]] glassheap::Options options_for(const std::string& policy, bool headers, Size region);

class OurHeap {
 public:
  // Throws std::runtime_error if the options are refused.
  explicit OurHeap(const glassheap::Options& options);

  void* allocate(Size size) {
    return pointer(heap_->malloc(size, glassheap::granule_size, fault_));
  }

  void* reallocate(void* block, Size /*size*/, Size wanted) {
    return pointer(heap_->realloc(std::bit_cast<glassheap::Address>(block), wanted,
                                  glassheap::granule_size, fault_));
  }

  void release(void* block, Size /*size*/) {
    if (!heap_->free(std::bit_cast<glassheap::Address>(block), fault_)) give_up();
  }

  // Bytes that the heap takes outside of its region.
  [[nodiscard]] Size own_memory() { return heap_->own_memory(fault_); }

 private:
  static void* pointer(glassheap::Address address) { return std::bit_cast<void*>(address); }
  [[noreturn]] void give_up() const;

  std::unique_ptr<glassheap::Heap> heap_;
  glassheap::Fault fault_;
};

[[nodiscard]] Peer ours();

}  // namespace bench
