// publication.hpp: how a new segment becomes visible to other processes.
//
//     fixed fields, magic last -> lock, core -> published = 1 -> the file gets its name
//
// So a file under its name is a whole heap, or something else, which is refused at once. Memory that
// the caller has mapped is visible from the start: a process that attaches waits for its heap.
#pragma once

#include "base/waiting.hpp"
#include "shared/segment.hpp"
#include "shared/superblock.hpp"

namespace glassheap::shared {

// Writes the fixed fields, the magic number last.
void publish_fixed_fields(FixedFields& place, const FixedFields& fixed) noexcept;

// Opens and maps a segment that is published; in mapped memory, one that becomes so before the wait
// ends. Otherwise returns null: system_error, bad_image, attach_timeout or interrupted.
[[nodiscard]] std::unique_ptr<Segment> open_published(const SegmentLocation& location, Wait& wait,
                                                      Fault& fault);

}  // namespace glassheap::shared
