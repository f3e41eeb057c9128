// durability.hpp: what a power failure may leave on the disk, and how it is noticed.
//
// The system writes each page at a time of its choice. So after a power failure some pages of the
// file are older than others.
// A flush writes them in this order, each part on the disk before the next one is written:
//
//     region, owners | block map and index | superblock, with the mark
//
// The mark is the sequence number at the end of the flush, and a checksum of the block map, the
// index and the state. While an image has the sequence number of its mark, no call has changed it:
// then a wrong checksum tells that a page is of another age. After a later call the mark tells
// nothing, and attaching relies on the block map, the intent record and the headers, as after a kill.
#pragma once

#include "shared/superblock.hpp"

namespace glassheap::shared {

// Writes all bytes to the disk, and the mark. Under the heap's lock. Refused (system_error) if the
// system refuses; the mark of an earlier flush may then be gone.
[[nodiscard]] bool flush(const Segment& segment, Fault& fault);

// Returns true unless a page of the block map, the index or the state has another age than the
// superblock. Otherwise the fault is a bad_image.
[[nodiscard]] bool has_pages_of_one_age(const Segment& segment, Fault& fault);

// Turns the copy of a segment's bytes, made under its lock, into a segment of its own, without
// users. `fixed` is of the original.
void make_independent(Segment& copy, FixedFields fixed) noexcept;

}  // namespace glassheap::shared
