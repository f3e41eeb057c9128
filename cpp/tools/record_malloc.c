/* record_malloc.c: records the malloc calls of a real program as a trace that any heap can replay.
 *
 * A placement policy is judged by the requests of real programs. The dynamic linker lets a library
 * that is loaded first replace malloc and its relatives. This library passes each call on to the
 * real function, and writes one line for it:
 *
 *     a ID SIZE     malloc, calloc (the product), aligned_alloc, memalign, posix_memalign
 *     r ID SIZE     realloc: the block has a new size, and keeps its ID even when it moves
 *     f ID          free
 *
 *     cc -std=c99 -O2 -shared -fPIC -pthread record_malloc.c -o librecord_malloc.so -ldl
 *     GLASSHEAP_TRACE=out.script LD_PRELOAD=./librecord_malloc.so program arguments...
 *
 * An ID names a block for as long as it is live. The ID that was freed last is used next, so that
 * IDs stay small and the file compresses well. Not recorded: alignments, calls that failed, frees
 * of NULL, blocks allocated before the recording began, and blocks from valloc and pvalloc.
 *
 * How it disturbs neither the program nor itself:
 *   - It never allocates: the table in block_ids.h lies in pages from mmap, and trace_file.h writes
 *     through a static buffer.
 *   - dlsym may allocate while it looks up the real functions: a small static arena serves it.
 *   - One lock is held over the real call and its line, so the lines of all threads are in the
 *     order of the calls. A call from a thread that already holds the lock (in a signal handler or
 *     a fork handler) passes through unrecorded.
 *   - A forked child does not write. A program that this one starts, or becomes by exec, is not
 *     recorded, because it would overwrite the file: the variable is blanked once it has been read.
 *     So preload the library for the program itself, not for a script that starts it.
 *   - An error is printed to stderr and ends the recording; the program runs on.
 *
 * A program that dies of a signal loses the lines still in the buffer (64 KiB at most).
 */
#define _GNU_SOURCE /* RTLD_NEXT, MAP_ANONYMOUS, environ */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block_ids.h"
#include "trace_file.h"

/* ---- Recording one call (the lock is held) --------------------------------------------------- */

static void note_freed(uintptr_t address) {
  if (known(address)) write_freed(take_away(address));
}

static void note_new(uintptr_t address, size_t size) {
  note_freed(address); /* if it is known, its free was not recorded */
  if (room_for_one_more()) {
    write_sized('a', add(address), size);
  } else {
    end_trace_early("no memory for the recorder's table");
  }
}

static void note_resized(uintptr_t before, uintptr_t after, size_t size) {
  if (!known(before)) {
    note_new(after, size);
    return;
  }
  if (after != before) note_freed(after); /* as in note_new */
  (void)take_away(before);
  write_sized('r', add(after), size); /* gets the ID freed last: the block's own */
}

/* ---- The real functions, and the arena that replaces them while dlsym finds them ------------- */

static struct {
  void* (*malloc)(size_t);
  void* (*calloc)(size_t, size_t);
  void* (*realloc)(void*, size_t);
  void* (*memalign)(size_t, size_t);
  void* (*aligned_alloc)(size_t, size_t);
  int (*posix_memalign)(void**, size_t, size_t);
  void (*free)(void*);
  void (*exit)(int);
} real;

enum { arena_bytes = 8192, granule = 16 };

static char arena[arena_bytes] __attribute__((aligned(granule))); /* zeros; no byte is reused */
static size_t arena_used;

static bool in_arena(const void* block) {
  return (uintptr_t)block - (uintptr_t)arena < sizeof arena;
}

static void* arena_take(size_t size) {
  if (size > sizeof arena - arena_used) return NULL;
  void* block = arena + arena_used;
  arena_used += (size + granule - 1) / granule * granule;
  return block;
}

/* Moves a block out of the arena. The size of the block is unknown, so the copy may include arena
 * bytes behind it, which does no harm. */
static void* arena_leave(const void* block, size_t size) {
  size_t readable = (size_t)(arena + sizeof arena - (const char*)block);
  void* moved = malloc(size);
  if (moved != NULL) memmove(moved, block, size < readable ? size : readable);
  return moved;
}

static void look_up(void* function, const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == NULL) {
    say("record_malloc: the program's libraries have no %s to record\n", name);
    abort();
  }
  memcpy(function, &found, sizeof found); /* ISO C has no cast from object to function pointer */
}

static void look_up_all(void) {
  look_up(&real.malloc, "malloc");
  look_up(&real.calloc, "calloc");
  look_up(&real.realloc, "realloc");
  look_up(&real.memalign, "memalign");
  look_up(&real.aligned_alloc, "aligned_alloc");
  look_up(&real.posix_memalign, "posix_memalign");
  look_up(&real.free, "free");
  look_up(&real.exit, "_exit");
}

/* Looks up the real functions in the first call. Returns false until that is done. The first call
 * comes from the loader, before there is a second thread. */
static bool ready(void) {
  static bool begun;
  static bool done;
  if (done || begun) return done;
  begun = true;
  look_up_all();
  return done = true;
}

/* ---- The lock; the start and the end of the recording ---------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread bool inside __attribute__((tls_model("initial-exec")));
static __thread bool entered_to_fork __attribute__((tls_model("initial-exec")));

static bool enter(void) {
  if (inside) return false;
  inside = true;
  pthread_mutex_lock(&lock);
  return true;
}

static void leave(void) {
  pthread_mutex_unlock(&lock);
  inside = false;
}

static void before_fork(void) { entered_to_fork = enter(); }

static void in_parent(void) {
  if (entered_to_fork) leave();
}

static void in_child(void) {
  abandon_trace();
  in_parent();
}

/* Replaces getenv: some shells define their own, and the value must be blanked in place. */
static char* find_variable(const char* name_and_equals) {
  size_t length = strlen(name_and_equals);
  for (char** entry = environ; *entry != NULL; ++entry) {
    if (strncmp(*entry, name_and_equals, length) == 0) return *entry + length;
  }
  return NULL;
}

__attribute__((constructor)) static void begin(void) {
  char* path = find_variable("GLASSHEAP_TRACE=");
  (void)ready();
  pthread_atfork(before_fork, in_parent, in_child);
  if (path == NULL) {
    say("record_malloc: nothing is recorded; set GLASSHEAP_TRACE to the file to write\n");
  } else if (*path != '\0') { /* else a recorded program started this one */
    open_trace(path);
    *path = '\0';
  }
}

static void write_what_is_left(void) {
  bool ours = enter();
  if (ours && recording) flush_trace();
  if (ours) leave();
}

__attribute__((destructor)) static void end(void) {
  line_by_line = true;
  write_what_is_left();
}

/* ---- The functions that the program calls ---------------------------------------------------- */

static void* given(bool ours, void* block, size_t size) {
  if (ours && recording && block != NULL) note_new((uintptr_t)block, size);
  if (ours) leave();
  return block;
}

void* malloc(size_t size) {
  if (!ready()) return arena_take(size);
  bool ours = enter();
  return given(ours, real.malloc(size), size);
}

void* calloc(size_t count, size_t size) {
  if (!ready()) return arena_take(count * size);
  bool ours = enter();
  return given(ours, real.calloc(count, size), count * size);
}

void* memalign(size_t alignment, size_t size) {
  if (!ready()) return NULL;
  bool ours = enter();
  return given(ours, real.memalign(alignment, size), size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  if (!ready()) return NULL;
  bool ours = enter();
  return given(ours, real.aligned_alloc(alignment, size), size);
}

int posix_memalign(void** block, size_t alignment, size_t size) {
  if (!ready()) return ENOMEM;
  bool ours = enter();
  int failure = real.posix_memalign(block, alignment, size);
  (void)given(ours, failure == 0 ? *block : NULL, size);
  return failure;
}

void* realloc(void* block, size_t size) {
  if (block == NULL) return malloc(size);
  if (in_arena(block)) return arena_leave(block, size);
  if (!ready()) return NULL;
  uintptr_t before = (uintptr_t)block;
  bool ours = enter();
  void* after = real.realloc(block, size);
  if (ours && recording && after != NULL) note_resized(before, (uintptr_t)after, size);
  if (ours && recording && after == NULL && size == 0) note_freed(before);
  if (ours) leave();
  return after;
}

void free(void* block) {
  if (block == NULL || in_arena(block) || !ready()) return;
  bool ours = enter();
  if (ours && recording) note_freed((uintptr_t)block);
  real.free(block);
  if (ours) leave();
}

void _exit(int status) {
  if (ready()) write_what_is_left();
  for (;;) real.exit(status);
}

void _Exit(int status) { _exit(status); }
