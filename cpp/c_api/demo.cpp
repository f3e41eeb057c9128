// main.cpp: the heap, step by step, through its C API.
//
// Allocate, free in another order, watch blocks split and merge, refill, misuse. Every step prints
// what it did, the free list and the available memory.

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
  step("A fresh page: one free block of 4096 bytes, 16 of them its node.");
  void* const a = my_malloc(100);
  step("a = my_malloc(100): the low end is cut off: 16 of header, 100 rounded up to 112.");
  void* const b = my_malloc(200);
  step("b = my_malloc(200): the next 16 + 208.");
  void* const c = my_malloc(300);
  step("c = my_malloc(300): the next 16 + 304.");
  my_free(b);
  step("my_free(b): both neighbours are live, so the list has two blocks.");
  my_free(a);
  step("my_free(a): merges with the free block at its right.");
  my_free(c);
  step("my_free(c): merges with both neighbours: the page is as it was.");
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
  step("my_malloc(100) passes over the first hole, and cuts the second: 0 bytes are left of it.");
  void* const f = my_malloc(40);
  step("my_malloc(40) takes the first hole, exactly.");
  for (void* const block : {b, d, e, f}) my_free(block);
  step("All freed.");
}

void refill() {
  chapter("Refill");
  int count = 0;
  while (my_malloc(48) != nullptr) ++count;
  std::printf("\n%d blocks of 48 bytes, 64 with their headers, fill the page.", count);
  step("my_malloc returns NULL, and nothing has changed.");
  reset_heap();
  step("reset_heap(): as new.");
}

void misuse() {
  chapter("Misuse");
  const my_malloc_fault_handler before = my_malloc_on_fault(print_fault);
  auto* const p = static_cast<char*>(my_malloc(64));
  int outside = 0;
  std::printf("\nA pointer into a block, an odd one, one from elsewhere, one that was freed:\n");
  my_free(p + 16);
  my_free(p + 1);
  my_free(&outside);
  my_free(p);
  my_free(p);
  step("Each was named, and nothing was lost.");

  auto* const q = static_cast<char*>(my_malloc(64));
  std::printf("\nA write in front of a block, into the magic number of its header:\n");
  q[-8] = 'X';
  my_free(q);
  step("The heap keeps its hands off what it cannot trust; reading it still works.");
  reset_heap();
  step("reset_heap(): as new.");
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
