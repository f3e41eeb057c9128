/* A C program that allocates, frees, and checks that all memory of its page is available again.
 * Exit status: 0, or the number of the first step that failed. */
#include <my_malloc.h>
#include <string.h>

int main(void) {
  const size_t fresh = available_memory();
  char* const text = my_malloc(100);
  if (text == NULL) return 1;
  memset(text, 'x', 100);
  if (available_memory() >= fresh) return 2;
  my_free(text);
  if (available_memory() != fresh) return 3;
  return 0;
}
