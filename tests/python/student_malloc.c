// student_malloc.c: a small allocator for test_grading.py, right as it is. Each macro makes it wrong.
//
// An implicit list in an array: a header of 16 bytes, then the payload. First fit; a search joins the
// free blocks that it meets.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef NAME  // the prefix of the functions
#define NAME(function) my_##function
#endif

enum { HEAP = 1 << 20, UNIT = 16 };

typedef struct block {
  size_t size;  // of the payload, a multiple of UNIT
  size_t live;
} block;

static _Alignas(UNIT) char heap[HEAP];
static int mallocs;

#ifdef STARTS  // what start returns; before it there is no memory
static int ready;
int start(void) {
  ready = 1;
  return STARTS;
}
#endif

#ifdef MISALIGNED
enum { SHIFT = 8 };
#else
enum { SHIFT = 0 };
#endif

static block* first(void) {
  block* const b = (block*)heap;
  if (b->size == 0) b->size = HEAP - sizeof *b;
  return b;
}

static block* next(block* b) { return (block*)((char*)(b + 1) + b->size); }

static int inside(block* b) { return (char*)b < heap + HEAP; }

static block* block_of(void* p) { return (block*)((char*)p - SHIFT) - 1; }

static void join(block* b) {
  for (block* n = next(b); inside(n) && !n->live; n = next(b)) b->size += sizeof *n + n->size;
}

static void cut(block* b, size_t size) {
  if (b->size < size + 2 * UNIT) return;
  block rest = {b->size - size - sizeof rest, 0};
  b->size = size;
  *next(b) = rest;
}

static size_t rounded(size_t size) {
#ifdef METADATA  // rounds down: the next header lies in the payload
  const size_t whole = size / UNIT * UNIT;
#else
  const size_t whole = (size + SHIFT + UNIT - 1) / UNIT * UNIT;
#endif
  return whole ? whole : UNIT;
}

static void* allocate(size_t size) {
  for (block* b = first(); inside(b); b = next(b)) {
    if (b->live) continue;
    join(b);
    if (b->size < size) continue;
    cut(b, size);
    b->live = 1;
    return (char*)(b + 1) + SHIFT;
  }
  return NULL;
}

void* NAME(malloc)(size_t size) {
  ++mallocs;
#ifdef CRASHES
  if (mallocs == CRASHES) *(volatile int*)8 = 0;
#endif
#ifdef OVERLAPPING  // the block of the second call once more, without its first unit
  static char* second;
  if (mallocs == 2) return second = allocate(rounded(size));
  if (mallocs == 3) return second + UNIT;
#endif
#ifdef WILD
  if (mallocs == 3) return (void*)(uintptr_t)4096;
#endif
#ifdef EXITS
  if (mallocs == 3) {
    fprintf(stderr, "mm.c:12: no block\n");
    exit(3);
  }
#endif
#ifdef SLOW
  nanosleep(&(struct timespec){0, 50 * 1000 * 1000}, NULL);
#endif
#ifdef STARTS
  if (!ready) return NULL;
#endif
#ifdef REFUSES
  if (size > 500) return NULL;
#endif
#ifdef OUTSIDE
  static _Alignas(UNIT) char elsewhere[1024];
  if (mallocs == 3) return elsewhere;
#endif
#ifndef WRAPS
  if (size > HEAP) return NULL;
#endif
  return allocate(rounded(size));
}

void NAME(free)(void* p) {
  if (p == NULL) return;
#ifdef HANGS
  while (mallocs) continue;
#endif
#ifndef NEVER_REUSES
  block_of(p)->live = 0;
#endif
}

#ifndef WITHOUT_REALLOC
void* NAME(realloc)(void* p, size_t size) {
  if (p == NULL) return NAME(malloc)(size);
  if (size == 0) return NAME(free)(p), NULL;
#ifdef GROWS_OVER  // in place, over whatever comes behind
  return p;
#endif
  void* const moved = NAME(malloc)(size);
#ifdef SPOILS  // the block that it cannot resize
  if (moved == NULL) *(char*)p ^= 1;
#endif
  if (moved == NULL) return NULL;
  size_t old = block_of(p)->size - SHIFT;
#ifdef LOSES  // the size of a pointer, not of the block
  old = sizeof(void*);
#endif
  memcpy(moved, p, old < size ? old : size);
  NAME(free)(p);
  return moved;
}
#endif

#ifdef REGION
void* mem_heap_lo(void) { return heap; }
void* mem_heap_hi(void) { return heap + HEAP - 1; }
#endif
