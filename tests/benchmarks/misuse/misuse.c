/* `misuse NAME` commits one misuse of malloc, and then continues like a correct program. It uses
 * the malloc that the process was started with. Each line on stdout is a stage that it has reached:
 *
 *     misuse    before the fault
 *     refused   the call was refused; the program ends here
 *     later     the fault was not reported; the program continues to use the heap
 *     shared    two live blocks overlap; the program ends here
 *     lost      the bytes of a block have changed; the program ends here
 *     done      nothing of the kind was found
 *
 * The malloc or the system may end the process at any stage: the parent sees the signal and the
 * last line. Without a name, the names are printed, one per line.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { small = 100, large = 2000, witnesses = 8, later_blocks = 512 };

typedef unsigned char byte;

struct held {
  byte* at;
  size_t size;
  size_t stamped; /* the bytes that still have the value that was written first */
};

static struct held
    held[witnesses + later_blocks + 2]; /* every live block; the index is its owner */
static int held_count;

static void say(const char* stage) {
  puts(stage);
  fflush(stdout);
}

static void end_with(const char* stage) {
  say(stage);
  _Exit(0);
}

static byte stamp_of(int owner) { return (byte)(0x21 + owner); }

/* Allocates a block for a new owner, who fills all of it. */
static byte* own(size_t size) {
  byte* const at = malloc(size);
  if (at == NULL) end_with("refused");
  memset(at, stamp_of(held_count), size);
  held[held_count++] = (struct held){at, size, size};
  return at;
}

static int overlap(struct held a, struct held b) {
  return a.at < b.at + b.size && b.at < a.at + a.size;
}

static void look_for_two_owners(void) {
  for (int i = 0; i < held_count; ++i) {
    for (int j = 0; j < i; ++j) {
      if (overlap(held[i], held[j])) end_with("shared");
    }
  }
}

static void look_for_lost_bytes(void) {
  for (int i = 0; i < held_count; ++i) {
    for (size_t k = 0; k < held[i].stamped; ++k) {
      if (held[i].at[k] != stamp_of(i)) end_with("lost");
    }
  }
}

/* Continues like a correct program: allocates blocks, uses them, and frees them. */
static void go_on(void) {
  static const size_t sizes[] = {small, 24, large, 300};
  say("later");
  for (int i = 0; i < later_blocks; ++i) own(sizes[i % 4]);
  look_for_two_owners();
  look_for_lost_bytes();
  while (held_count > 0) free(held[--held_count].at);
  say("done");
}

/* --- The faults. ------------------------------------------------------------------------------ */

static void double_free(void) {
  byte* const block = malloc(small);
  free(block);
  free(block);
}

static void double_free_with_another_between(void) {
  byte *const block = malloc(small), *const other = malloc(small);
  free(block);
  free(other);
  free(block);
}

static void double_free_of_a_merged_block(void) {
  byte *const left = malloc(large), *const block = malloc(large), *const right = malloc(large);
  own(small);
  free(block);
  free(left);
  free(right);
  free(block);
}

static void double_free_after_reuse(void) {
  byte* const block = malloc(small);
  free(block);
  own(small); /* most likely the same address, with a new owner */
  free(block);
}

static void free_inside(void) { free(own(small) + 32); }
static void free_misaligned(void) { free(own(small) + 1); }

static void free_of_a_variable(void) {
  static _Alignas(16) byte variable[256];
  free(variable + 64);
}

static void free_of_a_forged_header(void) {
  byte *const real = malloc(small), *const block = own(large);
  memcpy(block + 64, real - 16, 16); /* the bytes in front of a real block */
  memcpy(block + 64 + small + 12, real - 16, 16);
  held[held_count - 1].stamped = 64;
  free(block + 80);
}

static void realloc_after_free(void) {
  byte* const block = malloc(small);
  free(block);
  if (realloc(block, 4 * small) == NULL) end_with("refused");
}

static void realloc_inside(void) {
  if (realloc(own(small) + 32, 4 * small) == NULL) end_with("refused");
}

static void overflow_within_the_rounding(void) {
  byte* const block = malloc(small);
  block[small] = 0xAA;
  free(block);
}

static void overflow_into_the_next_block(void) {
  byte *const block = malloc(small), *const next = own(small);
  const byte stamp = stamp_of(--held_count);
  memset(block + small, 0xAA, malloc_usable_size(block) - small + 16);
  const int lost = memchr(next, stamp, small) != next;
  free(next);
  free(block);
  if (lost) end_with("lost"); /* in the next block, without a report */
}

static void underflow(void) {
  byte* const block = malloc(small);
  memset(block - 16, 0xAA, 16);
  free(block);
}

/* Two blocks are freed, so that the first may link to the other. */
static byte* freed_block(void) {
  byte *const block = malloc(small), *const other = malloc(small);
  free(other);
  free(block);
  return block;
}

static void write_to_a_freed_blocks_first_bytes(void) { memset(freed_block(), 0xAA, 16); }
static void write_in_front_of_a_freed_block(void) { memset(freed_block() - 16, 0xAA, 16); }

static void write_into_a_freed_blocks_middle(void) {
  byte* const block = malloc(small);
  free(block);
  memset(block + 48, 0xAA, 16);
}

static void run_on_and_on(void) {
  for (volatile byte* at = own(small);; ++at) *at = 0xAA;
}

static void ask_for_minus_one(void) {
  if (malloc((size_t)-1) == NULL) end_with("refused");
}

static void calloc_that_wraps(void) {
  if (calloc(((size_t)1 << 60) + 1, 16) == NULL) end_with("refused");
}

static void alignment_of_three(void) {
  void* block = NULL;
  if (posix_memalign(&block, 3 * sizeof(void*), small) != 0) end_with("refused");
}

/* --- The program. ----------------------------------------------------------------------------- */

static const struct {
  const char* name;
  void (*commit)(void);
} faults[] = {
    {"double free", double_free},
    {"double free, another block freed in between", double_free_with_another_between},
    {"double free of a block that was merged with its neighbours", double_free_of_a_merged_block},
    {"double free after the address was handed out again", double_free_after_reuse},
    {"free of an address inside a block", free_inside},
    {"free of an odd address", free_misaligned},
    {"free of a variable's address", free_of_a_variable},
    {"free of a header forged in a block", free_of_a_forged_header},
    {"realloc of a freed block", realloc_after_free},
    {"realloc of an address inside a block", realloc_inside},
    {"one byte too many, within the rounding", overflow_within_the_rounding},
    {"overflow into the block behind", overflow_into_the_next_block},
    {"underflow of 16 bytes", underflow},
    {"write to the first 16 bytes of a freed block", write_to_a_freed_blocks_first_bytes},
    {"write to the 16 bytes in front of a freed block", write_in_front_of_a_freed_block},
    {"write to the middle of a freed block", write_into_a_freed_blocks_middle},
    {"writing on and on behind a block", run_on_and_on},
    {"malloc of -1 bytes", ask_for_minus_one},
    {"calloc whose product wraps", calloc_that_wraps},
    {"an alignment that is no power of two", alignment_of_three},
};
enum { fault_count = sizeof faults / sizeof *faults };

static void commit(int fault) {
  for (int i = 0; i < witnesses; ++i) own(small);
  say("misuse");
  faults[fault].commit();
  go_on();
}

int main(int argc, char** argv) {
  for (int i = 0; i < fault_count; ++i) {
    if (argc < 2) puts(faults[i].name);
    if (argc == 2 && strcmp(argv[1], faults[i].name) == 0) commit(i);
  }
  return 0;
}
