/* trace_file.h: the trace file. Lines go into a static buffer, which write(2) copies to the file.
 *
 * stdio is not used: it would allocate, inside malloc. The buffer holds whole lines only, so the
 * file is a valid trace after every write that succeeds. The caller holds the recorder's lock.
 *
 * Everything here is static: a public symbol of a preloaded library would replace the program's own
 * symbol of the same name.
 */
#ifndef GLASSHEAP_TOOLS_TRACE_FILE_H
#define GLASSHEAP_TOOLS_TRACE_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { buffer_bytes = 65536, longest_line = 64 };

static char buffer[buffer_bytes];
static size_t buffered;
static int trace = -1;
static bool recording;    /* the file is open, and every write so far has succeeded */
static bool line_by_line; /* do not buffer lines: the program is about to end */

static bool write_all(int descriptor, const char* text, size_t length) {
  while (length > 0) {
    ssize_t written = write(descriptor, text, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text += written;
    length -= (size_t)written;
  }
  return true;
}

__attribute__((format(printf, 1, 2))) static void say(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  (void)write_all(STDERR_FILENO, text, strlen(text)); /* a failure cannot be reported */
}

/* The descriptor is moved above the low numbers, which programs rely on. */
static void open_trace(const char* path) {
  int low = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (low < 0) {
    say("record_malloc: cannot open %s for the trace: %s; nothing is recorded\n", path,
        strerror(errno));
    return;
  }
  int high = fcntl(low, F_DUPFD_CLOEXEC, 100);
  if (high >= 0) close(low);
  trace = high >= 0 ? high : low;
  recording = true;
}

static void flush_trace(void) {
  int errno_of_the_program = errno;
  recording = write_all(trace, buffer, buffered);
  buffered = 0;
  if (!recording) {
    say("record_malloc: writing the trace failed: %s; its last line may be cut, and nothing more "
        "is recorded\n",
        strerror(errno));
  }
  errno = errno_of_the_program;
}

static void end_trace_early(const char* why) {
  flush_trace();
  recording = false;
  say("record_malloc: %s; the trace ends here\n", why);
}

/* For a forked child: it has its own copy of this state, but the file is its parent's. */
static void abandon_trace(void) {
  if (recording) close(trace);
  recording = false;
}

static void line_done(int length) {
  buffered += (size_t)length;
  if (line_by_line || buffered > sizeof buffer - longest_line) flush_trace();
}

static void write_sized(char operation, size_t id, size_t size) {
  if (!recording) return;
  line_done(snprintf(buffer + buffered, longest_line, "%c %zu %zu\n", operation, id, size));
}

static void write_freed(size_t id) {
  if (!recording) return;
  line_done(snprintf(buffer + buffered, longest_line, "f %zu\n", id));
}

#endif
