/* my_malloc.h: the C99 interface: one heap of one page for the whole program.
 *
 *     int *p = my_malloc(100);     the 16 bytes in front of p are its header_t
 *     print_free_list();           prints Free(3952)
 *     my_free(p);
 *
 * The heap is created at first use: HEAP_SIZE bytes of private pages, between two guard pages,
 * allocated by first fit. Every function may be called from any thread.
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
 * block can hold them, the heap was found corrupt, or the system has no page: my_malloc_error()
 * gives the reason. my_malloc(0) returns a distinct block. O(n) in the number of free blocks. */
void* my_malloc(size_t size);

/* Returns the reason why the calling thread's last call of my_malloc returned NULL; NULL if that
 * call succeeded, or there was none. The reason is a few sentences on one line. If memory ran out,
 * it has the number of free bytes and of free blocks, and the cause: a lack of memory, or
 * fragmentation, with the live blocks that stand between the two largest free blocks. It is
 * composed when it is first asked for, and describes those blocks as they are then. The string
 * stays valid until the same thread calls my_malloc again. O(n) in the number of blocks. */
const char* my_malloc_error(void);

/* Frees the block whose payload starts at `payload`, and merges it with its free neighbours. NULL
 * does nothing. Any other pointer that is not the payload of a live block with a sound header is a
 * fault, and changes nothing. O(log n). */
void my_free(void* payload);

/* A fault handler. `sentence` says in one line, without a line break, what was wrong and where;
 * `payload` is the pointer that was passed. my_free returns when the handler returns. */
typedef void (*my_malloc_fault_handler)(const char* sentence, void* payload);

/* Installs `handler`, and returns the previous one. NULL is the default: the sentence is printed to
 * stderr, and the program is aborted. */
my_malloc_fault_handler my_malloc_on_fault(my_malloc_fault_handler handler);

/* Returns the sum of the sizes in the free list, in bytes: 4080 in a new heap. O(1). */
size_t available_memory(void);

/* Prints the sizes in the free list to stdout, in list order, as one line: Free(112)->Free(3824).
 * Prints (none) if there is no free block. O(n). */
void print_free_list(void);

/* Frees every block, whatever state the heap is in. The heap is then like a new one. O(n). */
void reset_heap(void);

/* Return the first node of the free list, and the node after `node`; NULL at the end of the list.
 * The nodes are read-only, and valid until the next call of my_malloc, my_free or reset_heap. */
const node_t* free_list_head(void);
const node_t* free_list_next(const node_t* node);

#ifdef __cplusplus
}
#endif

#endif /* MY_MALLOC_H */
