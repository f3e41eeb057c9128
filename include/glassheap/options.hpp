// options.hpp: the options of a heap, the location of a shared one, and the list of policies.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "glassheap/types.hpp"

namespace glassheap {

// The rules of sequential_fit: which block a request gets, and the order of the list.
enum class Fit : std::uint8_t { first, best, worst };
enum class Order : std::uint8_t { address, size_up, size_down, front, back };

// How much a heap checks. Robust: pointers, headers, nodes. Debug: also the bytes behind each
// payload, and all free memory.
enum class Checks : std::uint8_t { robust, debug };

struct Options {
  Size size = 4096;  // bytes, from 16 to largest_region; rounded up to a granule
  std::string policy = "first_fit";
  // Without headers a live block is all payload. Requested sizes, serials and the magic number are
  // then not stored.
  bool headers = true;
  Checks checks = Checks::robust;
  std::uint32_t magic = 0xDEADBEEF;
  bool zero_on_free = false;
  // True if more than one thread may call at a time. Otherwise calls do not lock.
  bool threads = true;
  // True to let each thread keep small blocks that it frees, and take them again without the lock:
  // faster where threads use one heap. Which block a malloc gets then depends on the threads, and
  // the peaks count kept blocks as live. Not with zero_on_free or Checks::debug, and not for a
  // shared heap.
  bool thread_cache = false;
  // The address of the region's first byte, as the caller counts: a multiple of 16; by default the
  // real one. With base 0 and no headers the first granule stays unused, so that no payload has the
  // address 0.
  std::optional<Address> base;
  // True to ask the system for pages of 2 MiB. False asks for none, so that memory which is not
  // written is not taken. Not for borrowed bytes.
  bool huge_pages = false;
  // Makes an offset heap: it describes `size` bytes of memory, in granules of so many bytes, and
  // never touches them. A power of two up to largest_granule. `size` is from one granule to 2^63,
  // rounded down to a granule, and at most largest_region / 16 granules. Addresses are offsets from
  // 0 on, and 0 is one like any other. The heap has no headers, and no option that is about bytes:
  // checks, zero_on_free, base, huge_pages, quarantine. Not for borrowed bytes.
  std::optional<Size> granule;
  // For an offset heap alone: the alignment of a block if a call asks for none, a power of two up to
  // a quarter of `size`. By default a granule.
  std::optional<Size> align;
  // Bytes of freed blocks that wait, first in, first out, before they are handed out again: a
  // second free of them, or a write to them, is found meanwhile. 0: none wait. For Checks::debug
  // alone, and not for a shared heap.
  Size quarantine = 0;
  // True to note the time and the tag of each block that is handed out (owners.hpp). It takes 8 bytes
  // for each granule in which a block begins, and a malloc some nanoseconds. False begins to with the
  // first tag.
  bool tags = false;
  // The path of a file to which every call that allocates, resizes or frees is written, with its
  // size, alignment, tag, thread, time and result: docs/recording.md. A file of an earlier recording
  // is replaced when the heap is open. Of a shared heap, the calls of this process. Not with
  // thread_cache.
  std::optional<std::string> record;
  // For sequential_fit alone. The defaults are first fit, address order, coalescing.
  std::optional<Fit> fit;
  std::optional<Order> order;
  std::optional<bool> coalesce;

  [[nodiscard]] Size unused() const noexcept { return !headers && base == 0 ? granule_size : 0; }
  [[nodiscard]] Size least_size() const noexcept {
    return unused() + granule.value_or(granule_size);
  }
};

// Where the segment of a shared heap is: a name in the system's shared memory, the path of a file, or
// memory that is mapped already, which `keeper` keeps mapped.
struct SegmentLocation {
  std::string name;
  std::string path;
  std::byte* data = nullptr;
  Size size = 0;  // bytes at data
  std::shared_ptr<void> keeper;
};

// A placement policy for a reader: its name, what it picks, what malloc and free cost, its source.
struct PolicyDescription {
  std::string_view name;
  std::string_view summary;
  std::string_view cost;
  std::string_view source;
};

// Descriptions of the policies that Options::policy may name, the default first.
[[nodiscard]] std::span<const PolicyDescription> policies() noexcept;
[[nodiscard]] std::vector<std::string_view> policy_names();

}  // namespace glassheap
