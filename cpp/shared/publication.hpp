// publication.hpp: how a new segment becomes visible to other processes.
//
//     size 0 -> bytes, magic 0 -> fixed fields -> magic -> lock, core -> published = 1
//
// A process that attaches waits until the last store, and refuses whatever cannot become a heap.
#pragma once

#include "shared/segment.hpp"
#include "shared/superblock.hpp"

namespace glassheap::shared {

// Writes the fixed fields, the magic number last.
void publish_fixed_fields(FixedFields& place, const FixedFields& fixed) noexcept;

// Opens a segment that is published, or becomes so within `timeout` seconds. Otherwise returns null:
// system_error, bad_image, attach_timeout or interrupted.
[[nodiscard]] std::unique_ptr<Segment> open_published(const SegmentLocation& location,
                                                      double timeout, Fault& fault);

// Fills in a bad_image for this field. Returns false.
bool refuse_image(const char* field, Fault& fault) noexcept;

}  // namespace glassheap::shared
