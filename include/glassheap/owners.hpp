// owners.hpp: who holds the memory of a heap, since when, and why a request was refused.
//
// A heap that keeps tags notes the time and the tag of each block that it hands out. A tag is a short
// text that names an owner: a request, a session, a module. Ages are in seconds, with a resolution
// of 1/32 s. A block that was handed out before the heap began to keep tags has no tag, and its age
// is counted from that moment: it is that old at the least.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "glassheap/fault.hpp"
#include "glassheap/types.hpp"

namespace glassheap {

using TagId = std::uint32_t;  // the number of a tag in its heap; 0 is no tag

inline constexpr std::size_t longest_tag = 200;  // bytes of UTF-8

// The live blocks with one tag, or those without any.
struct TagUsage {
  std::optional<std::string> tag;
  Size blocks = 0;    // a count
  Size bytes = 0;     // asked for; the usable sizes in a heap without headers
  double oldest = 0;  // age of the oldest of the blocks, in seconds
  double newest = 0;
};

// A live block and its owner.
struct TaggedBlock {
  Address address = 0;  // of the payload
  Size size = 0;        // asked for; the usable size in a heap without headers
  std::optional<std::string> tag;
  double age = 0;  // seconds
};

// An out_of_memory, explained by the blocks that the heap has.
struct Diagnosis {
  ShortageCause cause = ShortageCause::memory;
  std::vector<TagUsage> by_tag;      // the most bytes first
  std::vector<TaggedBlock> between;  // the live blocks between the two largest free blocks
  // Bytes that are missing. For a lack of memory the request less what is available, and the request
  // itself in a batch. Else the fewest bytes of live blocks whose release makes one free block that
  // serves the request; none if no release would.
  std::optional<Size> shortfall;
};

// Calls that were refused for one reason: "exhausted", "fragmented" or "alignment" for the causes of
// an out_of_memory, else the name of the exception class.
struct RefusalCount {
  const char* reason = "";
  std::uint64_t count = 0;
};

}  // namespace glassheap
