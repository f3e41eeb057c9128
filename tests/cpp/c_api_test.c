/* c_api_test.c: my_malloc.h in a C99 program.
 *
 * No framework: each check that fails is printed, and the exit status is 1 if there was one. The
 * output of the library, and its abort, are tested in a child process that writes to a file. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "my_malloc.h"

static int failures = 0;

static void check(int holds, const char* what, int line) {
  if (holds) return;
  fprintf(stderr, "c_api_test.c:%d: does not hold: %s\n", line, what);
  ++failures;
}
#define CHECK(condition) check((condition), #condition, __LINE__)

static char output[1024];

/* Runs `act` in a child process. Stores its output to the stream `fd`, and returns its status. */
static int run_in_child(void (*act)(void), int fd) {
  FILE* const file = tmpfile();
  int status = 0;
  if (file == NULL || fflush(NULL) != 0) abort();
  if (fork() == 0) {
    dup2(fileno(file), fd);
    act();
    fflush(NULL);
    _exit(0);
  }
  wait(&status);
  rewind(file);
  output[fread(output, 1, sizeof output - 1, file)] = '\0';
  fclose(file);
  return status;
}

/* --- The heap. -------------------------------------------------------------------------------- */

/* The documented numbers: 4096 bytes, a node of 4080; 112 + 16 for a hundred. The header is in
 * front of the payload. */
static void a_fresh_heap_offers_4080_bytes(void) {
  reset_heap();
  CHECK(HEAP_SIZE == 4096);
  CHECK(available_memory() == 4080);
  unsigned char* const p = my_malloc(100);
  CHECK((uintptr_t)p % 16 == 0);
  CHECK(available_memory() == 3952);
  header_t header;
  memcpy(&header, p - sizeof header, sizeof header);
  CHECK(sizeof(header_t) == 16 && sizeof(node_t) == 16);
  CHECK(header.size == 100);
  CHECK(header.magic == MAGIC && MAGIC == 0xDEADBEEFu);
  my_free(p);
  my_free(NULL);
  CHECK(available_memory() == 4080);
}

static void a_request_that_does_not_fit_returns_null(void) {
  reset_heap();
  CHECK(my_malloc(4081) == NULL);
  CHECK(my_malloc(SIZE_MAX) == NULL);
  CHECK(my_malloc(SIZE_MAX - 15) == NULL);
  void* const all = my_malloc(4080);
  CHECK(all != NULL);
  CHECK(my_malloc(0) == NULL);
  CHECK(available_memory() == 0);
  CHECK(free_list_head() == NULL);
  my_free(all);
  CHECK(my_malloc(0) != NULL);
}

/* --- The free list. --------------------------------------------------------------------------- */

static void the_list_can_be_read_node_by_node(void) {
  reset_heap();
  void* const a = my_malloc(96);
  (void)my_malloc(16);
  void* const c = my_malloc(48);
  (void)my_malloc(16);
  my_free(c);
  my_free(a);
  const node_t* node = free_list_head();
  CHECK(node != NULL && node->size == 96 && node->record == GLASSHEAP_NIL);
  CHECK((const unsigned char*)node + 16 == (const unsigned char*)a);
  CHECK(node->next == ((uintptr_t)c - (uintptr_t)a) / 16);
  node = free_list_next(node);
  CHECK(node != NULL && node->size == 48 && node->record == GLASSHEAP_NIL);
  node = free_list_next(node);
  CHECK(node != NULL && node->next == GLASSHEAP_NIL);
  CHECK(free_list_next(node) == NULL);
  CHECK(free_list_next(NULL) == NULL);
}

static void print_three_lists(void) {
  reset_heap();
  print_free_list();
  void* const a = my_malloc(100);
  (void)my_malloc(100);
  my_free(a);
  print_free_list();
  reset_heap();
  (void)my_malloc(4080);
  print_free_list();
}

static void a_list_is_printed_on_one_line(void) {
  const int status = run_in_child(print_three_lists, STDOUT_FILENO);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(strcmp(output, "Free(4080)\nFree(112)->Free(3824)\n(none)\n") == 0);
}

/* --- Faults. ---------------------------------------------------------------------------------- */

static char reported[512];
static void* blamed;
static int calls = 0;

static void record_fault(const char* sentence, void* payload) {
  snprintf(reported, sizeof reported, "%s", sentence);
  blamed = payload;
  ++calls;
}

static void another_handler(const char* sentence, void* payload) {
  (void)sentence;
  (void)payload;
}

static void expect_fault(void* payload, const char* part) {
  const int before = calls;
  const size_t available = available_memory();
  my_free(payload);
  CHECK(calls == before + 1);
  CHECK(blamed == payload);
  CHECK(strstr(reported, part) != NULL);
  CHECK(strchr(reported, '\n') == NULL);
  CHECK(available_memory() == available);
}

static void a_handler_is_called_for_each_fault(void) {
  int local = 0;
  reset_heap();
  CHECK(my_malloc_on_fault(record_fault) == NULL);
  unsigned char* p = my_malloc(64);
  expect_fault(p + 16, "inside a live block");
  expect_fault(p + 1, "no multiple of 16");
  expect_fault(&local, "outside the heap's region");
  my_free(p);
  expect_fault(p, "free already");
  p = my_malloc(64);
  p[-8] ^= 1;
  expect_fault(p, "magic number");
  expect_fault(p, "found corrupt");
  CHECK(my_malloc(1) == NULL);
  CHECK(strstr(my_malloc_error(), "found corrupt") != NULL);
  reset_heap();
  CHECK(my_malloc(1) != NULL);
  CHECK(my_malloc_on_fault(another_handler) == record_fault);
  CHECK(my_malloc_on_fault(NULL) == another_handler);
}

static void free_twice(void) {
  void* const p = my_malloc(64);
  my_free(p);
  my_free(p);
}

static void free_after_an_underflow(void) {
  unsigned char* const p = my_malloc(64);
  memset(p - 16, 0, 16);
  my_free(p);
}

static void expect_abort(void (*act)(void), const char* part) {
  const int status = run_in_child(act, STDERR_FILENO);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  CHECK(strncmp(output, "my_malloc: ", 11) == 0);
  CHECK(strstr(output, part) != NULL);
  CHECK(strchr(output, '\n') == output + strlen(output) - 1);
}

/* Without a handler: one sentence on stderr, on one line, and abort(). */
static void an_invalid_free_aborts_the_program(void) {
  reset_heap();
  expect_abort(free_twice, "free already");
  expect_abort(free_after_an_underflow, "magic number 0x0 instead of 0xDEADBEEF");
}

/* --- The reason for a NULL. ------------------------------------------------------------------- */

static void a_null_has_a_reason(void) {
  unsigned char* blocks[64];
  reset_heap();
  for (int i = 0; i < 64; ++i) blocks[i] = my_malloc(48);
  CHECK(my_malloc_error() == NULL);
  for (int i = 0; i < 64; i += 2) my_free(blocks[i]);
  CHECK(my_malloc(100) == NULL);
  const char* const reason = my_malloc_error();
  char end[64];
  snprintf(end, sizeof end, "one live block stands: 48 bytes at %p.", (void*)blocks[1]);
  CHECK(reason != NULL && strstr(reason, "hold 100 bytes: 1536 are available in 32 ") != NULL);
  CHECK(reason != NULL && strstr(reason, end) != NULL);
  CHECK(my_malloc_error() == reason);
  my_free(blocks[1]);
  CHECK(my_malloc(100) == blocks[0]);
  CHECK(my_malloc_error() == NULL);
}

static void* expect_a_reason_of_this_thread(void* unused) {
  CHECK(my_malloc_error() == NULL);
  CHECK(my_malloc(6000) == NULL);
  CHECK(strstr(my_malloc_error(), "6000 bytes") != NULL);
  return unused;
}

static void the_reason_is_that_of_the_last_call_of_the_thread(void) {
  pthread_t thread;
  reset_heap();
  CHECK(my_malloc(5000) == NULL);
  CHECK(strstr(my_malloc_error(), "5000 bytes") != NULL);
  CHECK(pthread_create(&thread, NULL, expect_a_reason_of_this_thread, NULL) == 0);
  pthread_join(thread, NULL);
  CHECK(strstr(my_malloc_error(), "5000 bytes") != NULL);
  CHECK(my_malloc(64) != NULL);
  CHECK(my_malloc_error() == NULL);
}

int main(void) {
  CHECK(my_malloc_error() == NULL);
  a_fresh_heap_offers_4080_bytes();
  a_request_that_does_not_fit_returns_null();
  the_list_can_be_read_node_by_node();
  a_list_is_printed_on_one_line();
  a_handler_is_called_for_each_fault();
  an_invalid_free_aborts_the_program();
  a_null_has_a_reason();
  the_reason_is_that_of_the_last_call_of_the_thread();
  if (failures == 0) puts("c_api_test: all checks hold.");
  return failures == 0 ? 0 : 1;
}
