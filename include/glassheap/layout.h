/* layout.h: the sixteen bytes that stand at the front of every block.
 *
 * Plain C99, shared by the C API (my_malloc.h) and the C++ core (block.hpp), so that there is one
 * definition of the bytes for everybody who looks at them: students, debuggers, the heap itself.
 *
 *   live block                          16                          16 + size, rounded up to 16
 *   | size : u64 | magic : u32 | serial : u16 | seal : u16 | payload ............... |
 *   0            8             12             14           16
 *
 *   free block                          16
 *   | size : u64 | next  : u32 | prev   : u32              | (nothing)              |
 *   0            8             12                          16
 *
 *   live block of a heap without headers: payload alone; its free blocks have their nodes.
 *
 *   live block with redzones (checks="debug"), with a header or without:
 *   | header | payload .... | 0xFD ...  | size : u64 | check : u64 |
 *            16             16 + size   extent - 16                extent
 *
 *   free block of such a heap:
 *   | node   | 0xDD .............................................. |
 *
 * Both are 16 bytes, one granule, and every block starts on a granule; so any block that is freed
 * has room for its node, and a payload is 16-aligned. All numbers are in the machine's byte order.
 */
#ifndef GLASSHEAP_LAYOUT_H
#define GLASSHEAP_LAYOUT_H

#include <stdint.h>

/* In front of a live payload. The seal is a keyed check over offset, size, magic and serial; seal
 * and serial live in the four bytes that a compiler would leave as padding behind a 32-bit magic.
 */
typedef struct header_t {
  uint64_t size;   /* bytes that the caller asked for */
  uint32_t magic;  /* 0xDEADBEEF, unless the heap was given another: a tripwire, made to be seen */
  uint16_t serial; /* the how-manieth allocation this is; it wraps after 65,535 */
  uint16_t seal;   /* says whether the other three, and the place, are as the heap wrote them */
} header_t;

/* At the front of a free block. Links are granule numbers (offset / 16), not pointers: an image of
 * the region means the same wherever it is mapped. Which list it is, is the policy's: all free
 * blocks in one, or those of like size. */
typedef struct node_t {
  uint64_t size; /* bytes that the block can offer as payload: its extent less a header */
  uint32_t next; /* granule of the next free block in the list, or GLASSHEAP_NIL */
  uint32_t prev; /* granule of the previous free block in the list, or GLASSHEAP_NIL */
} node_t;

/* Behind a live payload, in a heap with redzones. */
typedef struct trailer_t {
  uint64_t size;  /* bytes that the caller asked for */
  uint64_t check; /* a keyed check over the size and the place */
} trailer_t;

/* What stands between a payload and its trailer, and in free blocks that are watched. */
#define GLASSHEAP_REDZONE 0xFD
#define GLASSHEAP_FREED 0xDD

/* The link that leads nowhere. No block starts at this granule: a region is smaller by one. */
#define GLASSHEAP_NIL UINT32_C(0xFFFFFFFF)

#endif /* GLASSHEAP_LAYOUT_H */
