// trace.hpp: what a recorded program asked of malloc, ready to be played in a circle.
//
// Two grammars, told apart by the file's name, each plain or with .gz behind:
//
//     .script   CS107       a ID SIZE | r ID SIZE | f ID, comments after #; an id may come again
//     .trace    wee_alloc   Alloc(SIZE), | Free(K),  K counts the Allocs from 0; other lines are
//     passed over
//
// Real traces free what they never allocated and allocate what is live already. That is settled
// here, as glassheap's replay settles it, so that a player needs no checks: a release or a
// reallocation is of a live block, an allocation of a dead one. And what the program left behind is
// released at the end, so that a trace can be played again and again on one heap.
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
  std::uint32_t block;  // which, counted from 0
  Size size;            // bytes that the block then has; 0 for a release
};

struct Trace {
  std::vector<Operation> operations;
  std::uint32_t blocks = 0;  // different ones
  Size peak_payload = 0;     // bytes requested and live at the fullest moment
  Size peak_taken = 0;       // the same with a header of 16 bytes, rounded up to 16, for each block
};

// The bytes that a block of `size` takes in a heap with headers.
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
