// glassheap_heap.hpp: glassheap's heap as a heap under test.
#pragma once

#include <bit>
#include <memory>
#include <stdexcept>

#include "glassheap/heap.hpp"

namespace bench {

[[nodiscard]] inline glassheap::Options options_for(std::string_view policy) {
  glassheap::Options options;
  options.policy = policy;
  return options;
}

// glassheap's heap: the class that the Python bindings use.
//
// A free that is refused would be a bug of this program, and ends it.
class GlassheapHeap {
 public:
  GlassheapHeap(glassheap::Options options, glassheap::Size region) {
    options.size = region;
    heap_ = glassheap::Heap::open(options, fault_);
    if (heap_ == nullptr) give_up();
  }

  void* allocate(glassheap::Size size) {
    return std::bit_cast<void*>(heap_->malloc(size, glassheap::granule_size, fault_));
  }
  void* reallocate(void* block, glassheap::Size wanted) {
    const auto address = std::bit_cast<glassheap::Address>(block);
    return std::bit_cast<void*>(heap_->realloc(address, wanted, glassheap::granule_size, fault_));
  }
  void release(void* block, glassheap::Size /*size*/) {
    if (!heap_->free(std::bit_cast<glassheap::Address>(block), fault_)) give_up();
  }
  [[nodiscard]] glassheap::Size own_memory() { return heap_->own_memory(fault_); }

 private:
  [[noreturn]] void give_up() const { throw std::runtime_error(sentence(fault_)); }

  std::unique_ptr<glassheap::Heap> heap_;
  glassheap::Fault fault_;
};

}  // namespace bench
