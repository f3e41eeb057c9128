// event.hpp: what a recording consists of: the calls of a program, and marks about them.
#pragma once

#include <cstdint>
#include <string_view>

namespace glassheap::trace {

// A batch that failed is one event for each size up to the one that found no place: failed_part for
// those before it, and at last failed_malloc.
enum class EventKind : std::uint8_t {
  malloc,
  realloc,
  free,
  failed_malloc,
  failed_realloc,
  failed_part
};

// One call. A block is named by its address; a trace that was converted has numbers instead.
struct Event {
  EventKind kind = EventKind::malloc;
  std::uint64_t address = 0;  // of the block; realloc: before it
  std::uint64_t result = 0;   // realloc: the address after it
  std::uint64_t size = 0;     // bytes asked for
  std::uint64_t align = 0;    // asked for, a power of two; 0: none
  std::uint32_t tag = 0;      // the number that a mark has given to its text; 0: none
  std::uint64_t thread = 0;
  std::uint64_t time = 0;  // ticks after the begin of the recording
};

// A tag's text is defined before its first use. The facts are lines of text about the recording as a
// whole, such as "command=python3 app.py". After a reset no block is live.
enum class MarkKind : std::uint8_t { tag, fact, reset };

struct Mark {
  MarkKind kind = MarkKind::fact;
  std::uint64_t number = 0;  // of a tag
  std::string_view text;
};

}  // namespace glassheap::trace
