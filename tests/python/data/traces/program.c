// program.c: one call of each kind, recorded by mtrace, ltrace and valgrind for the tests.

#include <malloc.h>
#include <mcheck.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  mtrace();
  char* a = malloc(100);
  char* b = calloc(3, 40);
  char* c = NULL;
  a = realloc(a, 5000);  // moves
  b = realloc(b, 60);    // shrinks
  if (posix_memalign((void**)&c, 64, 200) != 0) return 1;
  char* d = aligned_alloc(256, 512);
  char* e = memalign(32, 33);
  volatile size_t huge = (size_t)1 << 60;
  char* failed = malloc(huge);
  char* s = strdup("hello");
  free(a);
  free(c);
  free(failed);
  free(d);
  free(e);
  free(s);
  char* z = realloc(NULL, 17);
  z = realloc(z, 0);  // frees
  return z != NULL || b == NULL;
}
