#include "my_malloc.h"

#include <algorithm>
#include <array>
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

// The fault for which there is no heap.
constexpr Fault no_page{.kind = glassheap::FaultKind::no_pages, .argument = HEAP_SIZE};

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

// Created at first use and never destroyed: a program may free in its very last destructor. Null if
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

// The last call of my_malloc in a thread: its fault, and its text once that has been composed.
// Without a destructor, so that a program can allocate while its thread ends.
struct LastCall {
  Fault fault;
  std::array<char, 1024> text{};
};
constinit thread_local LastCall last_call;

// The copy is cut off at the end of `text`, which is longer than any sentence.
void copy_text(const std::string& sentence, std::array<char, 1024>& text) noexcept {
  const std::size_t length = std::min(sentence.size(), text.size() - 1);
  std::copy_n(sentence.begin(), length, text.begin());
  text[length] = '\0';
}

// The node of the free block after the one at `node`, or of the first if that is null. free_list()
// stops at the first node that is not sound, so no damaged link is followed.
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
  Fault& fault = last_call.fault;
  fault.kind = glassheap::FaultKind::none;
  last_call.text[0] = '\0';
  if (heap != nullptr)
    return std::bit_cast<void*>(heap->malloc(size, glassheap::granule_size, fault));
  fault = no_page;
  return nullptr;
}

const char* my_malloc_error(void) try {
  LastCall& last = last_call;
  if (!last.fault) return nullptr;
  Heap* const heap = the_heap();
  if (last.text[0] == '\0')
    copy_text(heap == nullptr ? sentence(last.fault) : heap->explain(last.fault), last.text);
  return last.text.data();
} catch (const std::exception&) {
  return "my_malloc returned NULL, and there is no memory to explain why.";
}

void my_free(void* payload) {
  Heap* const heap = the_heap();
  glassheap::UnsetFault unset;
  if (heap != nullptr && !heap->free(std::bit_cast<glassheap::Address>(payload), unset.fault))
    report(unset.fault, payload);
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
