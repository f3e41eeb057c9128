/* layout.h: the sixteen bytes at the front of every block.
 *
 * Plain C99, shared by the C API (my_malloc.h) and the C++ core (block.hpp), so that there is one
 * definition of the bytes for every reader: a student, a debugger, the heap itself.
 *
 *   live block; its extent is 16 + size, rounded up to 16
 *   | size : u64 | magic : u32 | serial : u16 | seal : u16 | payload ............... |
 *   0            8             12             14           16                        extent
 *
 *   free block
 *   | size : u64 | next  : u32 | record : u32              | (nothing) ............. |
 *   0            8             12                          16                        extent
 *
 *   live block of a heap without headers: the payload alone; its free blocks have their nodes.
 *
 *   live block with redzones (checks="debug"); without a header the payload starts at 0
 *   | header | payload .... | 0xFD ...  | size : u64 | check : u64 |
 *   0        16             16 + size   extent - 16                extent
 *
 *   free block of such a heap
 *   | node   | 0xDD .............................................. |
 *   0        16                                                    extent
 *
 * A header and a node are both 16 bytes, one granule, and every block starts on a granule; so any
 * block that is freed has room for its node, and a payload is 16-aligned. All numbers are in the
 * machine's byte order.
 */
#ifndef GLASSHEAP_LAYOUT_H
#define GLASSHEAP_LAYOUT_H

#include <stdint.h>

/* In front of a live payload. The seal is a keyed check over offset, size, magic and serial; seal
 * and serial use the four bytes that a compiler would leave as padding after a 32-bit magic.
 */
typedef struct header_t {
  uint64_t size;   /* bytes that the caller asked for */
  uint32_t magic;  /* 0xDEADBEEF, unless the heap was given another: a visible tripwire */
  uint16_t serial; /* the allocation's number, modulo 65,536 */
  uint16_t seal;   /* keyed check over the other three fields and the block's offset */
} header_t;

/* At the front of a free block. A link is a granule number (offset / 16), not a pointer: an image of
 * the region is valid wherever it is mapped. The policy defines the list: one of all free blocks,
 * or one of those of like size. The heap itself follows no link here: its own links lie outside the
 * region, in a record of the block, and a node is compared with that when its block is used. */
typedef struct node_t {
  uint64_t size;   /* bytes that the block can offer as payload: its extent less a header */
  uint32_t next;   /* granule of the next free block in the list, or GLASSHEAP_NIL */
  uint32_t record; /* number of the block's record outside the region, or GLASSHEAP_NIL: none */
} node_t;

/* After a live payload, in a heap with redzones. */
typedef struct trailer_t {
  uint64_t size;  /* bytes that the caller asked for */
  uint64_t check; /* keyed check over the size and the block's end */
} trailer_t;

/* The bytes between a payload and its trailer; the bytes of free memory in a heap with redzones. */
#define GLASSHEAP_REDZONE 0xFD
#define GLASSHEAP_FREED 0xDD

/* The null link, and the number of no record. No block starts at this granule: it is the end of the
 * largest region. */
#define GLASSHEAP_NIL UINT32_C(0xFFFFFFFF)

#endif /* GLASSHEAP_LAYOUT_H */
