// json.hpp: the report as JSON: the tables as shown, and the figure of every round.
#pragma once

#include <string>

#include "report.hpp"
#include "results.hpp"

namespace bench {

[[nodiscard]] std::string json(const Report& report, const Results& results);

}  // namespace bench
