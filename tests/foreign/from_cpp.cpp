// A C++ program that opens a heap, allocates, frees, and has a double free refused. Exit status:
// 0, or the number of the first step that failed.
#include <glassheap/version.h>

#include <cstring>
#include <glassheap/heap.hpp>
#include <string_view>

int main() {
  static_assert(!std::string_view(GLASSHEAP_VERSION).empty());
  glassheap::Fault fault;
  const auto heap = glassheap::Heap::open({.size = 4096}, fault);
  if (!heap) return 1;
  const glassheap::Address text = heap->malloc(100, 16, fault);
  if (text == 0) return 2;
  std::memset(reinterpret_cast<void*>(text), 'x', 100);
  if (!heap->free(text, fault)) return 3;
  if (heap->free(text, fault)) return 4;  // a double free, which must be refused
  return heap->available_memory(fault) == 4080 ? 0 : 5;
}
