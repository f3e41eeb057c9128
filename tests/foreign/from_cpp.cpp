// A C++ program that opens a heap, allocates, frees, has a double free refused, and keeps a
// container in the heap. Exit status: 0, or the number of the first step that failed.
#include <glassheap/version.h>

#include <cstring>
#include <glassheap/heap.hpp>
#include <glassheap/memory_resource.hpp>
#include <string_view>
#include <vector>

namespace {

// The vector takes 4 KB of a heap that has them, and then asks for more than there is.
bool holds_a_vector(glassheap::Heap& heap) try {
  glassheap::HeapResource resource(heap);
  std::pmr::vector<int> numbers(1000, 7, &resource);
  numbers.reserve(1 << 20);
  return false;
} catch (const std::bad_alloc& refused) {
  return std::string_view(refused.what()).find("4194304 bytes") != std::string_view::npos;
}

}  // namespace

int main() {
  static_assert(!std::string_view(GLASSHEAP_VERSION).empty());
  glassheap::Fault fault;
  const auto heap = glassheap::Heap::open({.size = 65536}, fault);
  if (!heap) return 1;
  const glassheap::Address text = heap->malloc(100, 16, fault);
  if (text == 0) return 2;
  std::memset(reinterpret_cast<void*>(text), 'x', 100);
  if (!heap->free(text, fault)) return 3;
  if (heap->free(text, fault)) return 4;  // a double free, which must be refused
  if (!holds_a_vector(*heap)) return 5;
  return heap->available_memory(fault) == 65520 ? 0 : 6;
}
