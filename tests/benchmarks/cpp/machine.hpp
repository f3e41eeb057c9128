// machine.hpp: a description of the machine: enough to judge the figures, and nothing that
// identifies it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bench {

// Pairs of name and value, with the present load average.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> machine_facts();

// Name and version of the C library.
[[nodiscard]] std::string c_library();

}  // namespace bench
