// memory_resource.hpp: the containers of the standard library in a heap.
//
//     glassheap::HeapResource resource(*heap);
//     std::pmr::vector<int> numbers(&resource);   // its elements lie in a block of the heap
//
// Containers of std::pmr store real pointers, so containers in a shared heap are of use to one
// process only.
#pragma once

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory_resource>
#include <new>
#include <stdexcept>
#include <utility>

#include "glassheap/heap.hpp"

namespace glassheap {

// A request that a heap refused. what() is the fault's sentence.
class RefusedRequest : public std::bad_alloc {
 public:
  explicit RefusedRequest(const Fault& fault) : fault_(fault), text_(sentence(fault)) {}

  [[nodiscard]] const char* what() const noexcept override { return text_.what(); }
  [[nodiscard]] const Fault& fault() const noexcept { return fault_; }

 private:
  Fault fault_;
  std::runtime_error text_;  // a string whose copies do not throw
};

class HeapResource final : public std::pmr::memory_resource {
 public:
  // Called with each deallocation that the heap refused, which changed nothing. `payload` is the
  // pointer that was passed. An exception from the handler ends the program.
  using RefusedFreeHandler = std::function<void(const Fault& fault, void* payload)>;

  // The heap must outlive the resource, and every container that uses it. Any number of threads may
  // use the resource, unless the heap was opened for one. Throws RefusedRequest for an offset heap,
  // which has no bytes.
  explicit HeapResource(Heap& heap, RefusedFreeHandler on_refused_free = print_and_abort)
      : heap_(&heap),
        real_minus_given_(heap.address() - heap.base()),
        on_refused_free_(std::move(on_refused_free)) {
    if (!heap.has_bytes()) throw RefusedRequest({.kind = FaultKind::no_bytes});
  }

  [[nodiscard]] Heap& heap() const noexcept { return *heap_; }

  // The default handler: prints the fault's sentence to stderr, and aborts the program.
  [[noreturn]] static void print_and_abort(const Fault& fault, void* /*payload*/) {
    std::fprintf(stderr, "glassheap: %s\n", sentence(fault).c_str());
    std::abort();
  }

 private:
  // Throws RefusedRequest if and only if the heap refuses. The cost is that of Heap::malloc.
  void* do_allocate(std::size_t bytes, std::size_t align) override {
    UnsetFault unset;
    const Address payload = heap_->malloc(bytes, align, unset.fault);
    if (payload == 0) throw RefusedRequest(unset.fault);
    return std::bit_cast<void*>(payload + real_minus_given_);
  }

  void do_deallocate(void* payload, std::size_t /*bytes*/,
                     std::size_t /*align*/) noexcept override {
    UnsetFault unset;
    if (!release(std::bit_cast<Address>(payload) - real_minus_given_, unset.fault))
      on_refused_free_(unset.fault, payload);
  }

  // In a heap with base 0, address 0 is the region's first byte. Heap::free ignores it, and
  // usable_size refuses it.
  bool release(Address payload, Fault& fault) noexcept {
    if (payload != 0) return heap_->free(payload, fault);
    fault = {};
    return heap_->usable_size(payload, fault) != 0;
  }

  // Resources over one heap free one another's blocks.
  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    const auto* const same = dynamic_cast<const HeapResource*>(&other);
    return same != nullptr && same->heap_ == heap_;
  }

  Heap* heap_;
  Address real_minus_given_;  // modulo 2^64; 0 unless the heap has another base
  RefusedFreeHandler on_refused_free_;
};

}  // namespace glassheap
