#include "shared/core_in_segment.hpp"

#include <algorithm>
#include <new>

#include "core/policy_list.hpp"
#include "heap/units.hpp"

namespace glassheap::shared {
namespace {

// Bytes of the arrays that a core with these options keeps, which a core without memory can tell.
Size array_bytes(const Options& options) {
  const Sharing sharing{ArrayArena::to_measure()};
  const Size size = core_size(options) - options.unused();
  return make_core({static_cast<std::byte*>(nullptr), size}, options, sharing)->arena_bytes();
}

}  // namespace

FixedFields segment_layout(const Options& options) {
  return lay_out(options, array_bytes(options));
}

Size largest_region_within(const Options& options, Size bytes) {
  Options tried = options;
  Size fits = 0;
  Size beyond = std::min(bytes, largest_region) / granule_size + 1;
  const Size granule = units_of(options).granule();
  const Size least = options.least_size() / granule;
  while (fits + 1 < beyond) {
    const Size middle = fits + (beyond - fits) / 2;
    tried.size = middle * granule;
    const bool too_large = middle >= least && segment_layout(tried).total > bytes;
    (too_large ? beyond : fits) = middle;
  }
  return fits < least ? 0 : fits * granule;
}

bool has_room_for_arrays(const FixedFields& fixed, const Options& options) {
  return fixed.owners_at - fixed.arrays_at >= array_bytes(options);
}

std::span<std::byte> region_of(const Segment& segment) noexcept {
  const FixedFields& fixed = segment.fixed();
  return {segment.data() + fixed.region_at, fixed.region_size};
}

Journal journal_in(const Segment& segment) noexcept {
  Superblock& block = superblock_of(segment);
  auto* const owners = reinterpret_cast<Number*>(segment.data() + segment.fixed().owners_at);
  return {block.intent, block.call, owners};
}

std::unique_ptr<CoreInterface> core_over(const Segment& segment, const Options& options,
                                         Journal& journal) {
  const FixedFields& fixed = segment.fixed();
  const std::span arrays(segment.data() + fixed.arrays_at, fixed.owners_at - fixed.arrays_at);
  const Sharing sharing{.arena = ArrayArena(arrays),
                        .key = &fixed.key,
                        .journal = &journal,
                        .counters = &superblock_of(segment).counters};
  return make_core(region_of(segment).subspan(options.unused()), options, sharing);
}

}  // namespace glassheap::shared
