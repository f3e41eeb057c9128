// superblock.hpp: the first bytes of a shared segment, and the layout of the rest.
//
//     | superblock   | arrays         | owners       | region                        |
//     | fixed fields | block map and  | a number for | header, payload, header, ...  |
//     | shared state | policy's index | each granule | node, ...                     |
//     0              arrays_at        owners_at      region_at                   total
//
// Each part starts on a page. All places are offsets; all numbers are in the machine's byte order.
// The fixed fields are written before the segment is published, and have a checksum. A process that
// attaches checks every one, names the first that this version would not write, and keeps a copy
// (fixed_fields.hpp).
#pragma once

#include <atomic>

#include "core/core_interface.hpp"
#include "core/wait_line.hpp"
#include "glassheap/options.hpp"
#include "shared/segment.hpp"

namespace glassheap::shared {

// The number of an attachment of a process, from 1 to most_processes; 0: not known.
using Number = OwnerNumber;

// The process that has, or had, a number: that of its index in the table, plus 1.
struct Process {
  std::uint32_t pid = 0;  // to be shown, as its own PID namespace counts; 0: the number has no name
};

// A ticket: the seconds at which it was made, and a running number, 32 bits each.
using Ticket = std::uint64_t;
// The ticket of a reference that a forked child has noted for its parent (holders.hpp).
inline constexpr Ticket noted = ~Ticket{0};

// The references of one process to one block, or that of a pickled copy (holders.hpp).
struct Holder {
  std::uint64_t payload = 0;  // offset plus 1; 0: a free entry
  Ticket ticket = 0;          // 0: references
  std::uint32_t process = 0;  // its number
  std::uint32_t count = 0;
};

// The lock of all processes (lock_word.hpp).
struct LockWord {
  std::atomic<std::uint32_t> owner{0};
  std::atomic<std::uint32_t> sleepers{0};
};

inline constexpr std::size_t most_holders = 4096;
inline constexpr Size page = 4096;

// What the last flush wrote to the disk (durability.hpp).
struct FlushMark {
  std::atomic<std::uint64_t> generation{0};  // at its end; 0: there was none since a recovery
  std::atomic<std::uint64_t> sum{0};
};

// In this order on purpose. NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct Superblock {
  FixedFields fixed;
  std::atomic<std::uint32_t> published{0};  // the last store of a creation
  std::uint32_t damaged = 0;
  std::uint32_t waiting = 0;                 // 1 if `line` may have a request
  std::uint64_t epoch = 0;                   // resets
  std::uint64_t used_holders = 0;            // entries in use of `holders`
  std::uint64_t tickets = 0;                 // that were ever made
  std::uint64_t recovered = 0;               // processes that died inside a call
  std::uint64_t last_writer = 0;             // the token of the attachment that stored the state
  std::atomic<std::uint64_t> generation{0};  // sequence number, odd during a call
  FlushMark flushed;
  alignas(64) LockWord lock;
  alignas(64) IntentRecord intent;
  CallRecord call;
  CoreState state;
  Counters counters;
  Process processes[most_processes];
  Holder holders[most_holders];
  WaitLine line;
  std::uint64_t file = 0;  // the inode of the segment's file, which a copy does not have; or 0
};

[[nodiscard]] Superblock& superblock_of(const Segment& segment) noexcept;
[[nodiscard]] bool is_published(const Superblock& block) noexcept;

// The fixed fields of a heap with these options, whose arrays take `arrays` bytes.
[[nodiscard]] FixedFields lay_out(const Options& options, Size arrays);
[[nodiscard]] Options options_of(const FixedFields& fixed);
[[nodiscard]] std::uint64_t checksum(const FixedFields& fixed) noexcept;

// Returns true if this version would write each fixed field so, in a segment of `bytes`. Otherwise
// the fault has the first wrong field (bad_image).
[[nodiscard]] bool has_sound_front(const FixedFields& fixed, Size bytes, Fault& fault);

// Fills in a bad_image for this field. Returns false. The numbers are equal if they tell nothing.
bool refuse_image(const char* field, Fault& fault, std::uint64_t expected = 0,
                  std::uint64_t found = 0) noexcept;

}  // namespace glassheap::shared
