// check_options.hpp: refuses options that no heap can have.
#pragma once

#include "glassheap/fault.hpp"
#include "glassheap/options.hpp"

namespace glassheap {

// Returns true if a heap can be opened with `options`. Otherwise sets `fault`: invalid_size,
// invalid_base, unknown_policy or unwanted_option.
[[nodiscard]] bool check_options(const Options& options, Fault& fault) noexcept;

// Returns true if these are options of a heap over borrowed bytes too. Otherwise sets `fault`:
// unwanted_option.
[[nodiscard]] bool check_borrowing(const Options& options, Fault& fault) noexcept;
// The same for a heap that processes share.
[[nodiscard]] bool check_sharing(const Options& options, Fault& fault) noexcept;

}  // namespace glassheap
