// demo.cpp: a tour of the heap through its C API.
//
// It allocates blocks, frees them in another order, shows how blocks split and merge, fills the
// heap and misuses it. Every step prints its description, the free list and the available memory.

#include <cstdio>
#include <initializer_list>

#include "my_malloc.h"

namespace {

void step(const char* text) {
  std::printf("\n%s\n    ", text);
  print_free_list();
  std::printf("    available: %zu bytes\n", available_memory());
}

void chapter(const char* title) { std::printf("\n=== %s ===\n", title); }

void print_fault(const char* sentence, void* payload) {
  std::printf("    refused %p: %s\n", payload, sentence);
}

void split_and_merge() {
  chapter("Split and merge");
  step("A new page: one free block of 4096 bytes, of which its node takes 16.");
  void* const a = my_malloc(100);
  step("a = my_malloc(100) takes the low end: a header of 16 bytes, and 100 rounded up to 112.");
  void* const b = my_malloc(200);
  step("b = my_malloc(200) takes the next 16 + 208.");
  void* const c = my_malloc(300);
  step("c = my_malloc(300) takes the next 16 + 304.");
  my_free(b);
  step("my_free(b): both neighbours are live, so the free list has two blocks.");
  my_free(a);
  step("my_free(a): a merges with the free block to its right.");
  my_free(c);
  step("my_free(c): c merges with both neighbours, and the page is one free block again.");
}

void first_fit() {
  chapter("The lowest address that fits");
  void* const a = my_malloc(48);
  void* const b = my_malloc(16);
  void* const c = my_malloc(128);
  void* const d = my_malloc(16);
  my_free(a);
  my_free(c);
  step("Holes of 48 and 128 bytes.");
  void* const e = my_malloc(100);
  step("my_malloc(100) skips the first hole and splits the second, leaving a block of 0 bytes.");
  void* const f = my_malloc(40);
  step("my_malloc(40) takes the whole first hole.");
  for (void* const block : {b, d, e, f}) my_free(block);
  step("All blocks are freed.");
}

void refill() {
  chapter("Refill");
  int count = 0;
  while (my_malloc(48) != nullptr) ++count;
  std::printf("\n%d blocks of 48 bytes, each 64 with its header, fill the page.", count);
  step("my_malloc returns NULL, and the heap is unchanged.");
  std::printf("    my_malloc_error: %s\n", my_malloc_error());
  reset_heap();
  step("reset_heap(): the page is one free block again.");
}

void misuse() {
  chapter("Misuse");
  const my_malloc_fault_handler before = my_malloc_on_fault(print_fault);
  auto* const p = static_cast<char*>(my_malloc(64));
  int outside = 0;
  std::printf("\nBad frees: inside a block, at an odd address, outside the heap, a second time:\n");
  my_free(p + 16);
  my_free(p + 1);
  my_free(&outside);
  my_free(p);
  my_free(p);
  step("Each error was reported, and the heap is intact.");

  auto* const q = static_cast<char*>(my_malloc(64));
  std::printf("\nWrite in front of a block, over the magic number in its header:\n");
  q[-8] = 'X';
  my_free(q);
  step("The heap does not change a block that it cannot trust. Reading the heap still works.");
  reset_heap();
  step("reset_heap(): the page is one free block again.");
  my_malloc_on_fault(before);
}

}  // namespace

int main() {
  split_and_merge();
  first_fit();
  refill();
  misuse();
  return 0;
}
