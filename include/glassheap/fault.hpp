// fault.hpp: everything that can be wrong, each with a name and a sentence.
//
// The core never throws: a call that is refused fills in a Fault and changes nothing. The same
// Fault becomes an exception in Python, a line on stderr in C, and a finding of check(); so its
// sentence is written once, here.
#pragma once

#include <string>
#include <vector>

#include "glassheap/types.hpp"

namespace glassheap {

enum class FaultKind : std::uint8_t {
  none,
  // The request.
  out_of_memory,
  no_pages,
  invalid_size,
  invalid_alignment,
  invalid_base,
  unknown_policy,
  unwanted_option,
  // The pointer.
  foreign_pointer,
  misaligned_pointer,
  interior_pointer,
  double_free,
  stale_handle,
  pinned,
  // The bytes.
  bad_magic,
  header_corrupted,
  free_list_corrupted,
  overflow_detected,
  write_after_free,
  // The heap.
  heap_damaged,
  heap_busy,
  heap_closed,
  // What processes share.
  lock_timeout,
  attach_timeout,
  bad_image,
  too_many_holders,
  system_error,
};

// What a sound heap keeps, one name each; a broken one says what the damaged field is.
enum class Rule : std::uint8_t {
  none,
  magic,       // a live header holds the heap's magic number
  size,        // a live header's size and its block's extent in the block map agree
  seal,        // a live header's seal fits its place, size, magic and serial
  node_size,   // a free node offers its block's extent less the node
  next,        // a free node's next is a free block that links back; by address the next one
  prev,        // a free node's prev, likewise; by address the previous one
  head,        // the head of a list by address is the lowest free block
  listed,      // every free block is in a list
  neighbours,  // no two free blocks touch
  coverage,    // the blocks cover the region from its first byte to its last
  counters,    // the counters are the sums over the blocks
  redzone,     // nothing was written behind a payload
  fill,        // nothing was written into free memory
  sentinel,    // nothing was written behind a region in somebody else's buffer
};

// What stood in the way of a request, in bytes of payload. Where the largest block would have done,
// it was the alignment; or, where none was asked for, what comes before in the batch, which was
// taken back.
struct Shortage {
  Size requested = 0;
  Size available = 0;
  Size largest = 0;
  Size free_blocks = 0;
  Size align = granule_size;  // what the payload was to start at a multiple of
};

struct Fault {
  FaultKind kind = FaultKind::none;
  Rule rule = Rule::none;
  Address address = 0;    // the pointer that was given, as the caller counts
  Address owner = 0;      // interior_pointer: the payload of the block that it points into
  std::size_t index = 0;  // a batch: which of its sizes, or of its addresses that are not 0
  Offset offset = 0;      // corruption: the block's first byte; write_after_free: the byte written
  Size least = 0;         // invalid_size: of a region
  const char* field = nullptr;  // bad_image: what of it is wrong
  std::uint64_t expected = 0;   // overflow_detected: the payload's size
  std::uint64_t found = 0;      // and which byte behind it was written, counted from its first
  Shortage shortage = {};

  [[nodiscard]] explicit operator bool() const noexcept { return kind != FaultKind::none; }
};

using Findings = std::vector<Fault>;

// Sorts by place, and keeps one of those that say the same of the same place: a node that was
// written over is found by each of its neighbours.
void drop_repetitions(Findings& findings);

// Corruption, as opposed to misuse: bytes that the heap relies on are not as it wrote them.
[[nodiscard]] constexpr bool is_corruption(FaultKind kind) noexcept {
  return kind >= FaultKind::bad_magic && kind <= FaultKind::write_after_free;
}

// The name of the exception class that stands for `kind` in Python.
[[nodiscard]] const char* name_of(FaultKind kind) noexcept;
[[nodiscard]] const char* name_of(Rule rule) noexcept;

// What was wrong, where, what was expected, and what to do: one sentence or two, no line break.
[[nodiscard]] std::string sentence(const Fault& fault);

}  // namespace glassheap
