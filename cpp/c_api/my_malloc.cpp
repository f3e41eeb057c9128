#include "my_malloc.h"

#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "glassheap/heap.hpp"

// The C API over a Heap. No exception crosses this border, and none of its functions holds the
// heap's lock while it prints or calls a handler.

namespace {

using glassheap::Fault;
using glassheap::Heap;

std::atomic<my_malloc_fault_handler> fault_handler{nullptr};

[[noreturn]] void stop(const char* sentence) noexcept {
  std::fprintf(stderr, "my_malloc: %s\n", sentence);
  std::abort();
}

std::unique_ptr<Heap> open_page() noexcept try {
  Fault fault;
  glassheap::Options page;
  page.size = HEAP_SIZE;
  page.magic = MAGIC;
  std::unique_ptr<Heap> heap = Heap::open(page, fault);
  if (!heap) std::fprintf(stderr, "my_malloc: %s\n", sentence(fault).c_str());
  return heap;
} catch (const std::exception& error) {
  std::fprintf(stderr, "my_malloc: %s\n", error.what());
  return nullptr;
}

// Made at first use and never destroyed: a program may free in its very last destructor. Null if
// the system gave no page.
Heap* the_heap() noexcept {
  static Heap* const heap = open_page().release();
  return heap;
}

void report(const Fault& fault, void* payload) {
  const std::string text = sentence(fault);
  if (const my_malloc_fault_handler handler = fault_handler.load()) {
    handler(text.c_str(), payload);
  } else {
    stop(text.c_str());
  }
}

const node_t* node_at(glassheap::Address address) noexcept {
  return std::bit_cast<const node_t*>(address);
}

// The free block that follows `node` in the list, or the first one; by way of the heap's own list,
// which ends at the first node that is not sound, so that no damaged link is followed.
const node_t* node_after(const node_t* node) noexcept try {
  Heap* const heap = the_heap();
  if (heap == nullptr) return nullptr;
  Fault closed;  // it never is
  const node_t* before = nullptr;
  for (const glassheap::FreeBlock& block : heap->free_list(closed)) {
    if (before == node) return node_at(block.address);
    before = node_at(block.address);
  }
  return nullptr;
} catch (const std::exception& error) {
  stop(error.what());
}

}  // namespace

void* my_malloc(size_t size) {
  Heap* const heap = the_heap();
  if (heap == nullptr) return nullptr;
  Fault refused;  // NULL says it all
  return std::bit_cast<void*>(heap->malloc(size, glassheap::granule_size, refused));
}

void my_free(void* payload) {
  Heap* const heap = the_heap();
  Fault fault;
  if (heap != nullptr && !heap->free(std::bit_cast<glassheap::Address>(payload), fault))
    report(fault, payload);
}

my_malloc_fault_handler my_malloc_on_fault(my_malloc_fault_handler handler) {
  return fault_handler.exchange(handler);
}

size_t available_memory(void) {
  Heap* const heap = the_heap();
  Fault closed;  // it never is
  return heap == nullptr ? 0 : heap->available_memory(closed);
}

void print_free_list(void) try {
  Heap* const heap = the_heap();
  Fault closed;  // it never is
  std::puts(heap == nullptr ? "(none)" : heap->free_list_line(closed).c_str());
} catch (const std::exception& error) {
  stop(error.what());
}

void reset_heap(void) {
  Heap* const heap = the_heap();
  Fault pinned;  // nothing here pins
  if (heap != nullptr) heap->reset(pinned);
}

const node_t* free_list_head(void) { return node_after(nullptr); }

const node_t* free_list_next(const node_t* node) {
  return node == nullptr ? nullptr : node_after(node);
}
