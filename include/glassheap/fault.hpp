// fault.hpp: every reason to refuse a call, and every kind of damage.
//
// The core never throws: a call that is refused fills in a Fault and changes nothing. The same
// Fault becomes an exception in Python, a line on stderr in C, and a finding of check(); so its
// sentence is composed in one place, sentence().
#pragma once

#include <bit>
#include <string>
#include <string_view>

#include "glassheap/types.hpp"

namespace glassheap {

enum class FaultKind : std::uint8_t {
  none,
  // The request cannot be served.
  out_of_memory,
  no_pages,
  invalid_size,
  invalid_alignment,
  invalid_base,
  invalid_granule,
  region_in_use,
  unknown_policy,
  unwanted_option,
  no_bytes,
  must_move,
  // The pointer is not that of a live block's payload.
  foreign_pointer,
  misaligned_pointer,
  interior_pointer,
  double_free,
  stale_handle,
  // Bytes that the heap relies on are not as it wrote them.
  bad_magic,
  header_corrupted,
  free_list_corrupted,
  overflow_detected,
  write_after_free,
  // The state of the heap, or of a block, rules out the call.
  pinned,
  moving,
  heap_damaged,
  heap_busy,
  heap_closed,
  // The segment of a shared heap, or another process.
  lock_timeout,
  attach_timeout,
  interrupted,
  bad_image,
  too_many_holders,
  too_many_processes,
  system_error,
};

enum class FaultCategory : std::uint8_t { none, request, pointer, corruption, state, sharing };

// The rules that a sound heap keeps. The rule that is broken names the damaged field.
enum class Rule : std::uint8_t {
  none,
  magic,       // a live header holds the heap's magic number
  size,        // a live header's size and its block's extent in the block map agree
  seal,        // a live header's seal fits its place, size, magic and serial
  node_size,   // a free node offers its block's extent less the node
  next,        // a free node's next is the next free block of its list
  record,      // a free node names the record of its block, if its list has records
  head,        // the head of a list by address is the lowest free block
  listed,      // every free block is in a list
  neighbours,  // no two free blocks touch
  coverage,    // the blocks cover the region from its first byte to its last
  counters,    // the counters are the sums over the blocks
  redzone,     // the bytes behind a payload are as the heap wrote them
  fill,        // the bytes of free memory are as the heap filled them
  sentinel,    // the bytes behind a region in a borrowed buffer are as the heap wrote them
};

// The part of the block at Fault::offset that was overwritten where a rule is broken: its front,
// which is its header or node; the bytes behind its payload; or another place, also outside of it.
enum class DamagedPart : std::uint8_t { other, front, back };

// The heap as it was when it could not serve a request: after a batch was taken back, if the
// request was one of a batch.
struct Shortage {
  Size available = 0;         // bytes of payload that all free blocks offer together
  Size largest = 0;           // bytes of payload that the largest free block offers
  Size free_blocks = 0;       // a count
  Size align = granule_size;  // requested alignment of the payload
};

// A field that the kind does not use is zero.
struct Fault {
  FaultKind kind = FaultKind::none;
  Rule rule = Rule::none;    // corruption: the rule that is broken
  std::uint8_t minimum = 0;  // invalid_size: the least size, in granules
  std::uint8_t granule_bits = std::countr_zero(granule_size);  // of the heap: log2 of its granule
  int system_error = 0;                                        // system_error: errno

  Address address = 0;    // the pointer that was passed, as the caller counts; region_in_use: the
                          // first byte of the other heap
  Address owner = 0;      // interior_pointer: the payload of the block that it points into
  std::size_t index = 0;  // a batch: which of its sizes, or of its addresses other than 0

  std::uint64_t argument = 0;   // the size, alignment, base or granule that was refused
  std::uint64_t maximum = 0;    // the largest size or alignment; too_many_...: the limit;
                                // region_in_use: bytes of the other heap
  const char* field = nullptr;  // bad_image: the wrong field; unwanted_option: the option;
                                // free_list_corrupted: not null if nodes lie beside the region;
                                // system_error: not null if it is about Options::record

  Offset offset = 0;           // corruption: the block's first byte; write_after_free: the byte
  std::uint64_t expected = 0;  // the value that the rule requires; redzone: the payload's size;
                               // invalid_alignment: a quarter of the region, at least 16
  std::uint64_t found = 0;     // the value that is there; redzone: index of the overwritten byte
  Shortage shortage = {};      // out_of_memory

  [[nodiscard]] explicit operator bool() const noexcept { return kind != FaultKind::none; }
};
static_assert(sizeof(Fault) <= 112, "Nearly every call clears one.");

// A Fault that is not cleared, for Heap::malloc and Heap::free: clearing one takes a tenth of the time
// of such a call. It may be read after a refusal, and where an offset heap returns 0.
union UnsetFault {
  UnsetFault() noexcept {}  // NOLINT(modernize-use-equals-default): that would be deleted
  Fault fault;
};

[[nodiscard]] FaultCategory category_of(FaultKind kind) noexcept;
// The granule of the heap that reported the fault.
[[nodiscard]] constexpr Size granule_of(const Fault& fault) noexcept {
  return Size{1} << fault.granule_bits;
}
// Returns true for damaged bytes, as opposed to misuse.
[[nodiscard]] inline bool is_corruption(FaultKind kind) noexcept {
  return category_of(kind) == FaultCategory::corruption;
}
[[nodiscard]] DamagedPart damaged_part(Rule rule) noexcept;

// The name of the exception class for `kind` in Python.
[[nodiscard]] const char* name_of(FaultKind kind) noexcept;
[[nodiscard]] const char* name_of(Rule rule) noexcept;

// "a FIFO", say, for the file type in this st_mode, which is in Fault::found where a file of another
// type is at the place of a segment: bad_image, or system_error with EEXIST.
[[nodiscard]] const char* name_of_file_type(std::uint64_t mode) noexcept;

// The reason for an out_of_memory.
enum class ShortageCause : std::uint8_t {
  memory,         // the free blocks together are too small
  fragmentation,  // together they are large enough, and none is alone
  alignment,      // a free block is large enough, but not from an aligned address on
  batch,          // a free block is large enough, but earlier sizes of the batch need it
};
[[nodiscard]] ShortageCause cause_of(const Fault& shortage) noexcept;
// "exhausted", "fragmented" or "alignment". A batch whose earlier sizes need the room has exhausted
// it too.
[[nodiscard]] const char* name_of(ShortageCause cause) noexcept;

// 1 - (1 + available / requested) / free_blocks, at least 0: near 0 for a lack of memory, near 1
// for fragmentation (M. Gorman, Linux, mm/vmstat). 0 without a free block, or for 0 bytes.
[[nodiscard]] double fragmentation_index(Size requested, Size available, Size free_blocks) noexcept;

// One or two sentences without a line break: the fault, its place, the value expected, the remedy.
// `argument`, if given, is the text of Fault::argument for a number that 64 bits do not hold. The
// largest number stands for itself and for every larger one.
[[nodiscard]] std::string sentence(const Fault& fault, std::string_view argument = {});

}  // namespace glassheap
