// trace.hpp: the calls of a recorded program, ready to be played in a cycle.
//
// There are two grammars, distinguished by the file's suffix; .gz may follow:
//
//     .script   CS107       a ID SIZE | r ID SIZE | f ID     comments after #; an id may be reused
//     .trace    wee_alloc   Alloc(SIZE), | Free(K),          K counts the Allocs from 0; all other
//                                                            lines are skipped
//
// Real traces free blocks that they never allocated, and allocate blocks that are live already.
// Such operations are corrected here, in the same way as by glassheap's replay, so that a player
// needs no checks: a release or reallocation is of a live block, an allocation of a dead one. The
// blocks that the program left are released at the end, so that a trace can be played repeatedly on
// one heap.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "glassheap/types.hpp"

namespace bench {

using glassheap::Size;

enum class Action : std::uint8_t { allocate, reallocate, release };

struct Operation {
  Action action;
  std::uint32_t block;  // its index, from 0
  Size size;            // bytes of the block afterwards; 0 for a release
};

struct Trace {
  std::vector<Operation> operations;
  std::uint32_t blocks = 0;  // the number of different blocks
  Size peak_payload = 0;     // bytes requested and live at the fullest moment
  Size peak_taken = 0;       // the same with a header of 16 bytes, rounded up to 16, for each block
};

// The bytes that a block of `size` bytes takes in a heap with headers.
[[nodiscard]] constexpr Size taken(Size size) noexcept {
  return glassheap::granule_size + glassheap::round_up(size, glassheap::granule_size);
}

// These throw std::runtime_error, with a sentence that names the line or the file.
[[nodiscard]] Trace parse_script(std::string_view text);
[[nodiscard]] Trace parse_wee_alloc(std::string_view text);
[[nodiscard]] Trace read_trace(const std::filesystem::path& file);

// The trace files directly in `folder`, in order of name.
[[nodiscard]] std::vector<std::filesystem::path> traces_in(const std::filesystem::path& folder);
// The file's name as far as the first dot.
[[nodiscard]] std::string trace_name(const std::filesystem::path& file);

}  // namespace bench
