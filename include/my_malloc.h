/* my_malloc.h: one heap of one page for a whole program, in plain C99.
 *
 *     int *p = my_malloc(100);     a header_t stands in the 16 bytes in front of p
 *     print_free_list();           Free(3952)
 *     my_free(p);
 *
 * The heap is made at first use: HEAP_SIZE bytes of private pages, guarded at both ends, cut by
 * first fit. Every function may be called from any thread.
 */
#ifndef MY_MALLOC_H
#define MY_MALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "glassheap/layout.h" /* header_t and node_t, drawn byte by byte */

#define HEAP_SIZE 4096             /* bytes in the region, headers and nodes included */
#define MAGIC UINT32_C(0xDEADBEEF) /* header_t.magic of every live block */

#ifdef __cplusplus
extern "C" {
#endif

/* Allocates `size` bytes, 16-aligned, and returns the payload. Returns NULL if and only if no free
 * block can hold them, the heap was found corrupt, or the system gives no page. my_malloc(0) gives
 * a distinct block. O(n) in the number of free blocks. */
void* my_malloc(size_t size);

/* Gives back the block whose payload starts at `payload`, and merges it with its free neighbours.
 * NULL does nothing. Anything else that is not the payload of a live block with a sound header
 * changes nothing: it is a fault. O(log n). */
void my_free(void* payload);

/* What is called at a fault: one sentence, without a line break, that says what was wrong and
 * where, and the pointer that was passed. my_free returns when the handler does. */
typedef void (*my_malloc_fault_handler)(const char* sentence, void* payload);

/* Installs `handler` and returns the one before it. NULL is the default: the sentence goes to
 * stderr, and the program is aborted. */
my_malloc_fault_handler my_malloc_on_fault(my_malloc_fault_handler handler);

/* The sum of the sizes in the free list, in bytes: 4080 in a fresh heap. O(1). */
size_t available_memory(void);

/* Prints the sizes in the free list, in list order, as one line on stdout: Free(112)->Free(3824).
 * Without a free block: (none). O(n). */
void print_free_list(void);

/* Frees every block, whatever state the heap is in: it is as new. O(n). */
void reset_heap(void);

/* The first node of the free list, and the one after a given node; NULL at the end. To read, never
 * to write; what they point to is a node until the next call of my_malloc, my_free or reset_heap.
 */
const node_t* free_list_head(void);
const node_t* free_list_next(const node_t* node);

#ifdef __cplusplus
}
#endif

#endif /* MY_MALLOC_H */
