// core_in_segment.hpp: a core whose arrays and blocks lie in a segment.
#pragma once

#include "core/core_interface.hpp"
#include "glassheap/options.hpp"
#include "shared/segment.hpp"
#include "shared/superblock.hpp"

namespace glassheap::shared {

// The layout of a segment for a heap with these options.
[[nodiscard]] FixedFields segment_layout(const Options& options);

// The size of the largest region whose segment has at most `bytes`; 0 if none is so small.
[[nodiscard]] Size largest_region_within(const Options& options, Size bytes);

// True if the segment's arrays are as large as a heap with these options needs.
[[nodiscard]] bool has_room_for_arrays(const FixedFields& fixed, const Options& options);

[[nodiscard]] std::span<std::byte> region_of(const Segment& segment) noexcept;

[[nodiscard]] Journal journal_in(const Segment& segment) noexcept;

// A core over the arrays and blocks of the segment, with a journal there; to be seeded, or to load a
// state. Throws std::bad_alloc if there is no memory for it.
[[nodiscard]] std::unique_ptr<CoreInterface> core_over(const Segment& segment,
                                                       const Options& options, Journal& journal);

}  // namespace glassheap::shared
