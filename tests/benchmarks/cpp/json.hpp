// json.hpp: the report for a program: the tables as they are shown, and the figure of every round.
#pragma once

#include <string>

#include "report.hpp"
#include "results.hpp"

namespace bench {

[[nodiscard]] std::string json(const Report& report, const Results& results);

}  // namespace bench
