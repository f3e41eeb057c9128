// glassheap_heap.hpp: glassheap's heap as a heap under test.
#pragma once

#include <unistd.h>

#include <bit>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "glassheap/shared_heap.hpp"

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
    if (!heap_->has_bytes()) describe(region);
  }

  // A SharedHeap, which no other process can attach to: its name is removed at once.
  [[nodiscard]] static GlassheapHeap share(glassheap::Options options, glassheap::Size region) {
    GlassheapHeap shared;
    options.size = region;
    glassheap::SharedHeap::Opening how;
    how.location.name = "glassheap-bench-" + std::to_string(getpid());
    auto heap = glassheap::SharedHeap::create(options, how, shared.fault_);
    if (heap == nullptr || !heap->unlink(shared.fault_)) shared.give_up();
    shared.base_ = heap->address();
    shared.heap_ = std::move(heap);
    return shared;
  }

  void* allocate(glassheap::Size size) {
    return place(heap_->malloc(size, glassheap::granule_size, fault_));
  }
  void* reallocate(void* block, glassheap::Size wanted) {
    return place(heap_->realloc(address_of(block), wanted, glassheap::granule_size, fault_));
  }
  void release(void* block, glassheap::Size /*size*/) {
    if (!heap_->free(address_of(block), fault_)) give_up();
  }
  [[nodiscard]] glassheap::Size own_memory() { return heap_->own_memory(fault_); }

 private:
  GlassheapHeap() = default;

  // Memory for an offset heap: the workloads write to their blocks.
  void describe(glassheap::Size region) {
    memory_ = std::make_unique<std::byte[]>(region);
    base_ = std::bit_cast<glassheap::Address>(memory_.get());
  }
  [[nodiscard]] void* place(glassheap::Address payload) const {
    return payload == 0 && memory_ == nullptr ? nullptr : std::bit_cast<void*>(base_ + payload);
  }
  [[nodiscard]] glassheap::Address address_of(void* block) const {
    return std::bit_cast<glassheap::Address>(block) - base_;
  }
  [[noreturn]] void give_up() const { throw std::runtime_error(sentence(fault_)); }

  std::unique_ptr<glassheap::Heap> heap_;
  glassheap::Address base_ = 0;          // where the addresses of the heap are counted from
  std::unique_ptr<std::byte[]> memory_;  // that an offset heap describes
  glassheap::Fault fault_;
};

}  // namespace bench
