// superblock.hpp: the first bytes of a segment that processes share: all that one of them needs to
// use the heap in it.
//
//     | superblock ..... | map, index ......... | owners .... | region ........................ |
//     0                  arrays_at              owners_at     region_at total what is fixed,     of
//     the core, one       one byte      the blocks; from a page on then what changes  behind the
//     other       a granule
//
// All places are offsets, and all numbers in the machine's own order. What is fixed is written
// before the segment is published, and has a checksum; every field of it is looked at when somebody
// attaches, and named if it is not as this version writes it.
#pragma once

#include <pthread.h>

#include <atomic>
#include <type_traits>

#include "core/core_interface.hpp"
#include "glassheap/options.hpp"
#include "shared/segment.hpp"

namespace glassheap::shared {

struct FixedFields {
  std::uint64_t magic = 0;
  std::uint32_t version = 0;
  std::uint32_t machine = 0;  // byte order and the size of a lock
  std::uint64_t total = 0;    // bytes of the segment
  std::uint64_t arrays_at = 0;
  std::uint64_t owners_at = 0;
  std::uint64_t region_at = 0;
  std::uint64_t region_size = 0;
  char policy[24] = {};
  std::uint32_t block_magic = 0;
  std::uint8_t headers = 0;
  std::uint8_t zero_on_free = 0;
  std::uint8_t redzones = 0;
  std::uint8_t fit = 0;    // 0: none, or the enumerator and 1
  std::uint8_t order = 0;  // the same
  std::uint8_t coalesce = 0;
  std::uint8_t unused[6] = {};  // all bytes are some field's: the checksum is of all
  Key key{};
  Key identity{};  // no two segments have the same
  std::uint64_t checksum = 0;
};

static_assert(std::has_unique_object_representations_v<FixedFields>);

// A process that has attached. Its number is its place here, from 1.
struct Process {
  std::uint32_t pid = 0;  // 0: nobody
  std::uint32_t attached = 0;
  std::uint64_t started = 0;  // when, by the system's clock: tells it from another of that pid
};

// That a process holds on to a block that several share.
struct Holder {
  std::uint64_t payload = 0;  // and 1; 0: nobody
  std::uint32_t process = 0;
  std::uint32_t count = 0;
};

inline constexpr std::size_t most_processes = 255;
inline constexpr std::size_t most_holders = 4096;
inline constexpr Size page = 4096;

// In the order in which it is drawn. NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct Superblock {
  FixedFields fixed;
  std::atomic<std::uint32_t> published{0};  // the last store of a creation
  std::uint32_t damaged = 0;
  std::uint64_t epoch = 0;        // resets
  std::uint64_t holds = 0;        // entries in holders
  std::uint64_t recovered = 0;    // deaths that somebody cleared up after
  std::uint64_t last_writer = 0;  // who stored the state: a token that no two heaps share
  std::atomic<std::uint64_t> generation{0};  // odd while somebody is inside
  alignas(64) pthread_mutex_t mutex{};
  alignas(64) IntentRecord intent;
  CoreState state;
  Process processes[most_processes];
  Holder holders[most_holders];
  std::uint64_t file = 0;  // which one this is; 0 if that is not known. A copy lies in another
};

[[nodiscard]] Superblock& superblock_of(const Segment& segment) noexcept;
[[nodiscard]] bool is_published(const Superblock& block) noexcept;

// What a heap with these options is in a segment: where everything lies.
[[nodiscard]] FixedFields lay_out(const Options& options, Size arrays);
[[nodiscard]] Options options_of(const FixedFields& fixed);
[[nodiscard]] std::uint64_t checksum(const FixedFields& fixed) noexcept;

// The name of the first field that is not as it must be in a segment of `bytes`; null if all are.
[[nodiscard]] const char* first_bad_field(const FixedFields& fixed, Size bytes);

}  // namespace glassheap::shared
