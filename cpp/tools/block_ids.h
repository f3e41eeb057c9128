/* block_ids.h: the IDs of the live blocks, in a table from address to ID.
 *
 * A block keeps its ID for as long as it is live. The IDs in use and the freed IDs together are
 * always 0 .. live + freed - 1. A new block gets the ID that was freed last, if there is one.
 *
 * The table uses open addressing with linear probing. It is at most half full, and doubles when it
 * would be fuller. It lies in pages from mmap, because malloc calls it. Finding, adding and
 * removing a block take O(1).
 *
 * Everything here is static: a public symbol of a preloaded library would replace the program's own
 * symbol of the same name.
 */
#ifndef GLASSHEAP_TOOLS_BLOCK_IDS_H
#define GLASSHEAP_TOOLS_BLOCK_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

typedef struct {
  uintptr_t address; /* 0 where the slot is empty */
  size_t id;
} slot_t;

enum { first_capacity = 4096 };

static slot_t* slots;
static size_t* free_ids; /* a stack, with room for one ID a slot */
static size_t capacity;  /* in slots: 0 at first, then a power of two */
static size_t live;
static size_t freed;

static size_t home_of(uintptr_t address) {
  return (size_t)(((uint64_t)address >> 4) * 0x9E3779B97F4A7C15U >> 32) & (capacity - 1);
}

/* Returns the slot that holds the address, or the empty slot where it belongs. */
static size_t find(uintptr_t address) {
  size_t at = home_of(address);
  while (slots[at].address != 0 && slots[at].address != address) at = (at + 1) & (capacity - 1);
  return at;
}

static void place(uintptr_t address, size_t id) { slots[find(address)] = (slot_t){address, id}; }

/* Empties a slot. Each later slot of its run moves up into the hole, unless the hole is before the
 * home of that slot. */
static void clear(size_t hole) {
  size_t mask = capacity - 1;
  for (size_t at = (hole + 1) & mask; slots[at].address != 0; at = (at + 1) & mask) {
    if (((at - home_of(slots[at].address)) & mask) < ((at - hole) & mask)) continue;
    slots[hole] = slots[at];
    hole = at;
  }
  slots[hole].address = 0;
}

static void* map_zeroed(size_t bytes) {
  void* pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? NULL : pages;
}

/* free_ids is empty here, and is not copied: the table grows only when no freed ID is left. */
static void move_table(slot_t* to_slots, size_t* to_free_ids, size_t to_capacity) {
  slot_t* from = slots;
  size_t from_capacity = capacity;
  if (from_capacity > 0) munmap(free_ids, from_capacity * sizeof *free_ids);
  slots = to_slots;
  free_ids = to_free_ids;
  capacity = to_capacity;
  for (size_t at = 0; at < from_capacity; ++at) {
    if (from[at].address != 0) place(from[at].address, from[at].id);
  }
  if (from_capacity > 0) munmap(from, from_capacity * sizeof *from);
}

/* Makes room for one more block. Returns false if and only if the system has no more pages; the
 * table is then unchanged. */
static bool room_for_one_more(void) {
  if (freed > 0 || live < capacity / 2) return true;
  size_t wanted = capacity > 0 ? 2 * capacity : first_capacity;
  slot_t* to_slots = map_zeroed(wanted * sizeof *slots);
  size_t* to_free_ids = map_zeroed(wanted * sizeof *free_ids);
  if (to_slots == NULL || to_free_ids == NULL) return false;
  move_table(to_slots, to_free_ids, wanted);
  return true;
}

/* Adds a block that is not in the table, and returns its ID. There must be room for one more. */
static size_t add(uintptr_t address) {
  size_t id = freed > 0 ? free_ids[--freed] : live;
  place(address, id);
  ++live;
  return id;
}

static bool known(uintptr_t address) { return capacity > 0 && slots[find(address)].address != 0; }

/* Removes a block, and returns its ID, which the next block will get. The address must be known. */
static size_t take_away(uintptr_t address) {
  size_t at = find(address);
  size_t id = slots[at].id;
  clear(at);
  --live;
  free_ids[freed++] = id;
  return id;
}

#endif
