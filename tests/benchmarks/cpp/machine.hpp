// machine.hpp: what the figures were measured on: enough to judge them, and nothing that names the
// machine.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bench {

// Names and values, the load average of this moment among them.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> machine_facts();

// Name and version of the C library.
[[nodiscard]] std::string c_library();

}  // namespace bench
